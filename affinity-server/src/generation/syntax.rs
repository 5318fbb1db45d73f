//! Text of an expression -> syntax tree. Names are not looked up here.

use super::error::GenerationError;

/// An expression as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Syntax {
    Integer(i64),
    Number(f64),
    /// `'text {expression} text'`
    Template(Vec<Syntax>),
    /// The text between the expressions of a template.
    Text(String),
    Name(String),
    List(Vec<Syntax>),
    Field(Box<Syntax>, String),
    /// `table[parent, child]`, `list[index]`
    At(Box<Syntax>, Vec<Syntax>),
    Call(String, Vec<Syntax>),
    Not(Box<Syntax>),
    Negative(Box<Syntax>),
    Binary(Operator, Box<Syntax>, Box<Syntax>),
}

/// A binary operator, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// Operators by strength; within a level the longer spelling comes first.
const LEVELS: [&[(&str, Operator)]; 5] = [
    &[("or", Operator::Or)],
    &[("and", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessEqual),
        (">=", Operator::GreaterEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)],
];

/// The whole of `text` as one expression; `place` names it in errors.
pub(super) fn parse(place: &str, text: &str) -> Result<Syntax, GenerationError> {
    let mut parser = Parser { place, text, offset: 0 };
    let syntax = parser.binary(0)?;
    parser.skip_space();
    if parser.offset < text.len() { Err(parser.expected("the end or an operator")) } else { Ok(syntax) }
}

/// `text` as the inside of a template: words with `{expression}` holes.
pub(super) fn parse_template(place: &str, text: &str) -> Result<Syntax, GenerationError> {
    Parser { place, text, offset: 0 }.template(None)
}

struct Parser<'t> {
    place: &'t str,
    text: &'t str,
    offset: usize,
}

impl<'t> Parser<'t> {
    fn expected(&self, expected: &'static str) -> GenerationError {
        let (place, text) = (self.place.to_owned(), self.text.to_owned());
        GenerationError::Syntax { place, text, offset: self.offset, expected }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.offset..]
    }

    fn skip_space(&mut self) {
        self.offset += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(token);
        if found {
            self.offset += token.len();
        }
        found
    }

    fn require(&mut self, token: &str, expected: &'static str) -> Result<(), GenerationError> {
        if self.take(token) { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn operator(&mut self, level: usize) -> Option<Operator> {
        self.skip_space();
        let rest = self.rest();
        let (spelling, operator) = LEVELS[level].iter().find(|(spelling, _)| {
            // `or` and `and` must not match the start of a longer name.
            rest.strip_prefix(spelling).is_some_and(|after| {
                !spelling.starts_with(char::is_alphabetic) || !after.starts_with(is_name_character)
            })
        })?;
        self.offset += spelling.len();
        Some(*operator)
    }

    fn binary(&mut self, level: usize) -> Result<Syntax, GenerationError> {
        if level == LEVELS.len() {
            return self.unary();
        }
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = self.operator(level) {
            let right = self.binary(level + 1)?;
            left = Syntax::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Syntax, GenerationError> {
        self.skip_space();
        let after_not = self.rest().strip_prefix("not");
        if after_not.is_some_and(|after| !after.starts_with(is_name_character)) {
            self.offset += 3;
            return Ok(Syntax::Not(Box::new(self.unary()?)));
        }
        if self.take("-") {
            return Ok(Syntax::Negative(Box::new(self.unary()?)));
        }
        let mut syntax = self.primary()?;
        loop {
            if self.take(".") {
                syntax = Syntax::Field(Box::new(syntax), self.name()?);
            } else if self.take("[") {
                syntax = Syntax::At(Box::new(syntax), self.list("]")?);
            } else {
                return Ok(syntax);
            }
        }
    }

    fn primary(&mut self) -> Result<Syntax, GenerationError> {
        if self.take("(") {
            let inner = self.binary(0)?;
            self.require(")", "a closing parenthesis")?;
            return Ok(inner);
        }
        if self.take("[") {
            return Ok(Syntax::List(self.list("]")?));
        }
        if self.take("'") {
            return self.template(Some('\''));
        }
        if self.rest().starts_with(|first: char| first.is_ascii_digit()) {
            return self.number();
        }
        let name = self.name()?;
        if self.take("(") { Ok(Syntax::Call(name, self.list(")")?)) } else { Ok(Syntax::Name(name)) }
    }

    fn list(&mut self, close: &str) -> Result<Vec<Syntax>, GenerationError> {
        let mut items = Vec::new();
        while !self.take(close) {
            if !items.is_empty() {
                self.require(",", "a comma or the closing bracket")?;
            }
            items.push(self.binary(0)?);
        }
        Ok(items)
    }

    fn name(&mut self) -> Result<String, GenerationError> {
        self.skip_space();
        let rest = self.rest();
        let end = rest.find(|letter| !is_name_character(letter)).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.expected("a name, a number, a text or a parenthesis"));
        }
        self.offset += end;
        Ok(rest[..end].to_owned())
    }

    fn number(&mut self) -> Result<Syntax, GenerationError> {
        let rest = self.rest();
        let end = rest.find(|digit: char| !digit.is_ascii_digit() && digit != '.' && digit != '_');
        let digits = rest[..end.unwrap_or(rest.len())].replace('_', "");
        let integer = digits.parse().map(Syntax::Integer).ok();
        let number = integer.or_else(|| digits.parse().map(Syntax::Number).ok());
        let number = number.ok_or_else(|| self.expected("a number"))?;
        self.offset += end.unwrap_or(rest.len());
        Ok(number)
    }

    /// Up to `close` (or to the end), with `{expression}` holes.
    fn template(&mut self, close: Option<char>) -> Result<Syntax, GenerationError> {
        let mut parts = Vec::new();
        loop {
            let rest = self.rest();
            let end = rest.find(|letter| Some(letter) == close || letter == '{').unwrap_or(rest.len());
            if end > 0 {
                parts.push(Syntax::Text(rest[..end].to_owned()));
            }
            self.offset += end;
            if self.rest().starts_with('{') {
                self.offset += 1;
                parts.push(self.binary(0)?);
                self.require("}", "a closing brace")?;
            } else if self.rest().is_empty() && close.is_some() {
                return Err(self.expected("a closing quote"));
            } else {
                self.offset += close.map_or(0, char::len_utf8);
                return Ok(Syntax::Template(parts));
            }
        }
    }
}

fn is_name_character(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Operator, Syntax, parse};
    use crate::generation::GenerationError;

    #[test]
    fn parse_multiplication_binds_tighter_than_comparison_and_logic() {
        let parsed = parse("t.c", "a + 2 * b > 1 and not orbit").unwrap();
        let explicit = parse("t.c", "((a + (2 * b)) > 1) and (not (orbit))").unwrap();
        assert_eq!(parsed, explicit);
        assert!(matches!(parsed, Syntax::Binary(Operator::And, ..)));
    }

    #[test]
    fn parse_template_keeps_text_and_holes_in_order() {
        let name = Syntax::Name("x".to_owned());
        let expected =
            Syntax::Template(vec![Syntax::Text("to ".to_owned()), name, Syntax::Text("!".to_owned())]);
        assert_eq!(parse("t.c", "'to {x}!'").unwrap(), expected);
    }

    #[test]
    fn parse_broken_text_names_place_and_offset() {
        let error = parse("t.c", "min(1, ").unwrap_err();
        assert!(matches!(error, GenerationError::Syntax { place, offset: 7, .. } if place == "t.c"));
    }
}
