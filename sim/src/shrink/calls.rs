//! Fewer calls: in chunks, large ones first, from the last call to the first.

use super::search::Search;

pub(super) fn take_out(search: &mut Search<'_>) {
    search.take_out(
        |search| search.best().places(search.seen()).len(),
        |search, range| {
            let gone = &search.best().places(search.seen())[range];
            search
                .best()
                .without(&gone.iter().copied().collect(), search.seen())
        },
    );
}
