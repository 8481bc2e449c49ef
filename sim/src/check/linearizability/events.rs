//! The invocations and returns of the calls that a search has not placed yet, in the order in which they happened.
//!
//! A ring of links (Knuth's dancing links): a call is lifted out of it and dropped back into it without looking for its
//! place, as long as the last one lifted is the first one dropped.

/// The list. Call `n` is invoked in event `2n` and returns in event `2n + 1`; behind the last of them stands the list's
/// own end, which closes the ring.
pub(super) struct Events {
    next: Vec<u32>,
    previous: Vec<u32>,
}

/// An event, as what it is.
pub(super) enum Event {
    Invoked(u32),
    Returned,
}

impl Events {
    /// From when each call was invoked and when it returned, sorted by invocation.
    pub(super) fn new(calls: impl ExactSizeIterator<Item = (u64, u64)>) -> Self {
        let end = u32::try_from(calls.len() * 2).expect("a history is counted in 32 bits");
        let (mut order, mut returns) = (
            Vec::with_capacity(end as usize),
            Vec::with_capacity(calls.len()),
        );
        for ((invoked, returned), event) in calls.zip((0..end).step_by(2)) {
            order.push((invoked, 0, event));
            returns.push((returned, 1, event + 1));
        }
        order.append(&mut returns);
        // Of an invocation and a return at the same moment the invocation comes first: they overlap. The stable sort
        // finds the two runs, each of them nearly sorted.
        order.sort_by_key(|&(moment, kind, _)| (moment, kind));
        let mut events = Self {
            next: vec![end; end as usize + 1],
            previous: vec![end; end as usize + 1],
        };
        let mut last = end;
        for (_, _, event) in order {
            events.join(last, event);
            last = event;
        }
        events.join(last, end);
        events
    }

    pub(super) fn of(event: u32) -> Event {
        if event.is_multiple_of(2) {
            Event::Invoked(event / 2)
        } else {
            Event::Returned
        }
    }

    pub(super) fn invoked(call: u32) -> u32 {
        call * 2
    }

    pub(super) fn call(event: u32) -> u32 {
        event / 2
    }

    pub(super) fn first(&self) -> u32 {
        self.next[self.next.len() - 1]
    }

    pub(super) fn next(&self, event: u32) -> u32 {
        self.next[event as usize]
    }

    /// The call that returns first.
    pub(super) fn first_return(&self) -> u32 {
        let mut event = self.first();
        while let Event::Invoked(_) = Self::of(event) {
            event = self.next(event);
        }
        Self::call(event)
    }

    fn join(&mut self, left: u32, right: u32) {
        self.next[left as usize] = right;
        self.previous[right as usize] = left;
    }

    pub(super) fn lift(&mut self, call: u32) {
        for event in [call * 2, call * 2 + 1] {
            self.join(self.previous[event as usize], self.next[event as usize]);
        }
    }

    pub(super) fn drop_back(&mut self, call: u32) {
        for event in [call * 2 + 1, call * 2] {
            let (left, right) = (self.previous[event as usize], self.next[event as usize]);
            self.next[left as usize] = event;
            self.previous[right as usize] = event;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(events: &Events) -> Vec<u32> {
        let end = u32::try_from(events.next.len() - 1).expect("small");
        let behind = |event: &u32| Some(events.next(*event)).filter(|next| *next != end);
        std::iter::successors(Some(events.first()).filter(|first| *first != end), behind).collect()
    }

    #[test]
    fn events_stand_in_the_order_of_their_moments() {
        let events = Events::new([(0, 5), (1, 2), (3, 9)].into_iter());
        assert_eq!(walk(&events), [0, 2, 3, 4, 1, 5]);
        assert_eq!(events.first_return(), 1);
    }

    #[test]
    fn calls_that_meet_at_a_moment_overlap() {
        let events = Events::new([(0, 1), (1, 2)].into_iter());
        assert_eq!(walk(&events), [0, 2, 1, 3]);
    }

    #[test]
    fn what_is_dropped_back_stands_where_it_stood() {
        let mut events = Events::new([(0, 5), (1, 2), (3, 9)].into_iter());
        let before = walk(&events);
        for call in [1, 0, 2] {
            events.lift(call);
        }
        assert_eq!(walk(&events), Vec::<u32>::new());
        for call in [2, 0, 1] {
            events.drop_back(call);
        }
        assert_eq!(walk(&events), before);
    }
}
