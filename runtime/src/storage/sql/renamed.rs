//! What a statement renames a table to.
//!
//! SQLite asks the authorizer about every name but this one, and so a table could take a name that belongs to the runtime (AU-1). The
//! statement's text tells: `ALTER TABLE [database .] name RENAME TO name`.

/// One piece of SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// A bare word, a keyword or a name.
    Word(&'a str),
    /// What stands between the quotes of a name or a string.
    Quoted(&'a str),
    Other(char),
}

impl Token<'_> {
    fn is(self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// The tokens of a text; white space and comments are left out.
struct Tokens<'a>(&'a str);

impl<'a> Tokens<'a> {
    /// Takes the text up to `end`, which goes too; all of it if there is none.
    fn take_to(&mut self, begin: usize, end: &str) -> &'a str {
        let rest = &self.0[begin..];
        let (inner, rest) = rest.split_once(end).unwrap_or((rest, ""));
        self.0 = rest;
        inner
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let first = self.0.chars().next()?;
            match first {
                '-' if self.0.starts_with("--") => {
                    self.take_to(2, "\n");
                }
                '/' if self.0.starts_with("/*") => {
                    self.take_to(2, "*/");
                }
                // A doubled quote inside ends one token and begins the next. The name's beginning is all that matters.
                '"' | '\'' | '`' => {
                    return Some(Token::Quoted(self.take_to(1, &first.to_string())));
                }
                '[' => return Some(Token::Quoted(self.take_to(1, "]"))),
                first if is_word(first) => {
                    let end = self.0.find(|character| !is_word(character));
                    let (word, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
                    self.0 = rest;
                    return Some(Token::Word(word));
                }
                other => {
                    self.0 = &self.0[other.len_utf8()..];
                    if !other.is_ascii_whitespace() {
                        return Some(Token::Other(other));
                    }
                }
            }
        }
    }
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || character == '_'
        || character == '$'
        || !character.is_ascii()
}

/// The beginning of the name that a statement gives a table, without quotes.
pub(super) fn to(statement: &str) -> Option<&str> {
    let mut tokens = Tokens(statement);
    tokens.find(|token| token.is("ALTER"))?;
    tokens.find(|token| token.is("TABLE"))?;
    tokens.next()?; // the name, or the database's
    let mut next = tokens.next()?;
    if next == Token::Other('.') {
        tokens.next()?;
        next = tokens.next()?;
    }
    if !next.is("RENAME") || !tokens.next()?.is("TO") {
        return None;
    }
    match tokens.next()? {
        Token::Word(name) | Token::Quoted(name) => Some(name),
        Token::Other(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_name_of_a_table_is_found_however_it_is_written() {
        for statement in [
            "ALTER TABLE a RENAME TO _cf_x",
            "; ; alter table a /* to b */ rename -- to c\n to \"_cf_x\"",
            "ALTER TABLE main.[a b] RENAME TO `_cf_x`;",
            "EXPLAIN ALTER TABLE 'rename'.'to' RENAME TO '_cf_x'",
        ] {
            assert_eq!(to(statement), Some("_cf_x"), "{statement}");
        }
    }

    #[test]
    fn a_column_may_be_called_anything() {
        for statement in [
            "ALTER TABLE a RENAME COLUMN b TO _cf_c",
            "ALTER TABLE a RENAME rename TO _cf_c",
            "ALTER TABLE a ADD COLUMN _cf_c",
            "ALTER TABLE a DROP COLUMN _cf_c",
            "ALTER TABLE a RENAME TO",
        ] {
            assert_eq!(to(statement), None, "{statement}");
        }
    }
}
