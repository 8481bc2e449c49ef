//! Where a statement ends in a text of several, and what a statement renames a table to.
//!
//! Statements of one `exec` are compiled and run one by one, because a later one may use the table that an earlier one makes (EX-2). So
//! the text must be cut before it is compiled. The rules are those of SQLite's own `sqlite3_complete`: a statement ends at
//! a semicolon outside strings, names and comments, and one that creates a trigger at the semicolon after `END`.

/// One piece of SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Semicolon,
    /// A bare word, a keyword or a name.
    Word(&'a str),
    /// A quoted name or a string, with its quotes.
    Quoted(&'a str),
    Other,
}

/// The tokens of a text with the offset after each; white space and comments are left out.
struct Tokens<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, offset: 0 }
    }

    /// Moves on to after `end` in what is left; to the end of the text if there is none. Returns what was passed.
    fn take_through(&mut self, begin: usize, end: &str) -> &'a str {
        let rest = &self.text[self.offset..];
        let len = rest
            .get(begin..)
            .and_then(|inner| inner.find(end))
            .map_or(rest.len(), |at| begin + at + end.len());
        self.offset += len;
        &rest[..len]
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let rest = &self.text[self.offset..];
            let first = rest.chars().next()?;
            match first {
                ' ' | '\t' | '\n' | '\r' | '\x0c' => self.offset += 1,
                '-' if rest.starts_with("--") => {
                    self.take_through(2, "\n");
                }
                '/' if rest.starts_with("/*") => {
                    self.take_through(2, "*/");
                }
                // A doubled quote inside ends one token and begins the next, which changes nothing here.
                '"' => return Some(Token::Quoted(self.take_through(1, "\""))),
                '\'' => return Some(Token::Quoted(self.take_through(1, "'"))),
                '`' => return Some(Token::Quoted(self.take_through(1, "`"))),
                '[' => return Some(Token::Quoted(self.take_through(1, "]"))),
                ';' => {
                    self.offset += 1;
                    return Some(Token::Semicolon);
                }
                first if is_word(first) => {
                    let len = rest
                        .find(|character| !is_word(character))
                        .unwrap_or(rest.len());
                    self.offset += len;
                    return Some(Token::Word(&rest[..len]));
                }
                other => {
                    self.offset += other.len_utf8();
                    return Some(Token::Other);
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

/// Cuts the first statement, with its semicolon, off a text.
pub(super) fn split_first(text: &str) -> (&str, &str) {
    if !text.contains(';') {
        return (text, "");
    }
    let mut tokens = Tokens::new(text);
    let mut words_before = 0;
    let mut creates_trigger = false;
    let (mut after_semicolon, mut after_end) = (false, false);
    while let Some(token) = tokens.next() {
        match token {
            Token::Semicolon if !creates_trigger || after_end => {
                return text.split_at(tokens.offset);
            }
            Token::Semicolon => (after_semicolon, after_end) = (true, false),
            Token::Word(word) if creates_trigger => {
                after_end = after_semicolon && word.eq_ignore_ascii_case("END");
                after_semicolon = false;
            }
            Token::Word(word) => {
                words_before = match words_before {
                    0 if word.eq_ignore_ascii_case("EXPLAIN") => 0,
                    0 if word.eq_ignore_ascii_case("QUERY")
                        || word.eq_ignore_ascii_case("PLAN") =>
                    {
                        0
                    }
                    0 if word.eq_ignore_ascii_case("CREATE") => 1,
                    1 if word.eq_ignore_ascii_case("TEMP")
                        || word.eq_ignore_ascii_case("TEMPORARY") =>
                    {
                        1
                    }
                    1 if word.eq_ignore_ascii_case("TRIGGER") => {
                        creates_trigger = true;
                        2
                    }
                    _ => 2,
                };
            }
            Token::Quoted(_) | Token::Other => {
                words_before = 2;
                (after_semicolon, after_end) = (false, false);
            }
        }
    }
    (text, "")
}

/// The name that `ALTER TABLE ... RENAME TO` gives, without quotes. SQLite does not ask about it while it compiles.
pub(super) fn renames_to(statement: &str) -> Option<String> {
    let mut tokens = Tokens::new(statement);
    let alters =
        matches!(tokens.next(), Some(Token::Word(word)) if word.eq_ignore_ascii_case("ALTER"));
    if !alters {
        return None;
    }
    let tokens: Vec<_> = tokens.collect();
    tokens.windows(3).find_map(|three| match three {
        [Token::Word(rename), Token::Word(to), name]
            if rename.eq_ignore_ascii_case("RENAME") && to.eq_ignore_ascii_case("TO") =>
        {
            match name {
                Token::Word(name) => Some((*name).to_owned()),
                Token::Quoted(name) => Some(name[1..].to_owned()),
                Token::Semicolon | Token::Other => None,
            }
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(mut text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        while !text.is_empty() {
            let (first, rest) = split_first(text);
            found.push(first);
            text = rest;
        }
        found
    }

    #[test]
    fn a_statement_ends_at_a_semicolon_that_is_no_part_of_a_text_a_name_or_a_comment() {
        assert_eq!(statements("SELECT 1; SELECT 2"), ["SELECT 1;", " SELECT 2"]);
        assert_eq!(
            statements("SELECT 'a;''b;' ; x"),
            ["SELECT 'a;''b;' ;", " x"]
        );
        assert_eq!(
            statements("SELECT \";\", [;], `;` ; x"),
            ["SELECT \";\", [;], `;` ;", " x"]
        );
        assert_eq!(statements("SELECT 1 -- ;\n; x"), ["SELECT 1 -- ;\n;", " x"]);
        assert_eq!(
            statements("SELECT /* ; */ 1; x"),
            ["SELECT /* ; */ 1;", " x"]
        );
        assert_eq!(
            statements("SELECT 'never ends; x"),
            ["SELECT 'never ends; x"]
        );
        assert_eq!(statements("SELECT 'é;'; é"), ["SELECT 'é;';", " é"]);
        assert_eq!(statements(";;"), [";", ";"]);
    }

    #[test]
    fn a_trigger_ends_at_the_semicolon_after_its_end() {
        let trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; DELETE FROM b; END;";
        assert_eq!(
            statements(&format!("{trigger} SELECT 1")),
            [trigger, " SELECT 1"]
        );
        assert_eq!(
            statements("CREATE TABLE trigger_log (a); x"),
            ["CREATE TABLE trigger_log (a);", " x"]
        );
    }

    #[test]
    fn the_new_name_of_a_table_is_found() {
        assert_eq!(
            renames_to("ALTER TABLE a RENAME TO _cf_x").as_deref(),
            Some("_cf_x")
        );
        assert_eq!(
            renames_to("alter table a /* x */ rename to \"_CF_x\"").as_deref(),
            Some("_CF_x\"")
        );
        assert_eq!(renames_to("ALTER TABLE a RENAME COLUMN b TO _cf_c"), None);
        assert_eq!(renames_to("SELECT 'RENAME TO x'"), None);
    }
}
