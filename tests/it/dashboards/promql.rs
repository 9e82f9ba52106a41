//! As much `PromQL` as it takes to know which labels an expression has, and to miss those that it cannot have.

use std::collections::BTreeSet;

use super::known::{Known, PROMETHEUS};

/// What an expression gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A number or a text.
    Scalar,
    /// Samples with these labels.
    Vector(BTreeSet<String>),
    /// Samples of the rule that is looked at: it goes on from what it recorded before.
    Itself,
}

/// What this expression gives; what is wrong with it, by what is known.
pub(super) fn check(expression: &str, known: &Known) -> Result<Value, String> {
    let tokens = tokens(expression)?;
    let mut parser = Parser { tokens: &tokens, known };
    let value = parser.binary(0)?;
    match parser.tokens {
        [] => Ok(value),
        [rest, ..] => Err(format!("{rest:?} is left over")),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A name, a number, or a duration.
    Word(String),
    Text(String),
    Sign(&'static str),
}

/// Longer ones first.
const SIGNS: [&str; 24] = [
    "=~", "!~", "!=", "==", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%", "^", "(", ")", "{", "}", "[",
    "]", ",", "@", ":",
];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '#' {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if first == '"' || first == '\'' {
            let end = end_of_text(rest, first).ok_or_else(|| format!("no end: {rest}"))?;
            tokens.push(Token::Text(rest[1..end].replace("\\\\", "\\")));
            rest = &rest[end + 1..];
        } else if is_of_word(first) && first != ':' {
            let end = rest.find(|letter| !is_of_word(letter)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| format!("what is this: {rest}"))?;
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// A variable of Grafana is a word, too.
fn is_of_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_:.$".contains(letter)
}

fn end_of_text(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            letter if letter == quote => return Some(at),
            _ => {}
        }
    }
    None
}

const AGGREGATORS: [&str; 12] = [
    "sum",
    "min",
    "max",
    "avg",
    "group",
    "stddev",
    "stdvar",
    "count",
    "count_values",
    "bottomk",
    "topk",
    "quantile",
];

struct Parser<'a> {
    tokens: &'a [Token],
    known: &'a Known,
}

/// How the samples of two sides find each other.
struct Matching {
    on: Option<BTreeSet<String>>,
    ignoring: BTreeSet<String>,
    /// What is taken over from the other side, if there may be many on one.
    group: Option<(bool, BTreeSet<String>)>,
}

impl Parser<'_> {
    fn next(&mut self) -> Result<Token, String> {
        let (first, rest) = self.tokens.split_first().ok_or("it ends too early")?;
        self.tokens = rest;
        Ok(first.clone())
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is_next = matches!(self.tokens, [Token::Sign(next), ..] if *next == sign);
        if is_next {
            self.tokens = &self.tokens[1..];
        }
        is_next
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_next = matches!(self.tokens, [Token::Word(next), ..] if next == word);
        if is_next {
            self.tokens = &self.tokens[1..];
        }
        is_next
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.takes(sign) {
            Ok(())
        } else {
            Err(format!("{sign} is missing before {:?}", self.tokens.first()))
        }
    }

    /// The operator that stands next and its rank; comparisons only yield what they let through.
    fn operator(&self) -> Option<(String, u8)> {
        let name = match self.tokens.first()? {
            Token::Sign(sign) => (*sign).to_owned(),
            Token::Word(word) => word.clone(),
            Token::Text(_) => return None,
        };
        let rank = match &*name {
            "or" => 1,
            "and" | "unless" => 2,
            "==" | "!=" | "<" | ">" | "<=" | ">=" => 3,
            "+" | "-" => 4,
            "*" | "/" | "%" | "atan2" => 5,
            "^" => 6,
            _ => return None,
        };
        Some((name, rank))
    }

    fn binary(&mut self, above: u8) -> Result<Value, String> {
        let mut left = self.unary()?;
        while let Some((operator, rank)) = self.operator().filter(|(_, rank)| *rank > above) {
            self.next()?;
            self.takes_word("bool");
            let matching = self.matching()?;
            let right = self.binary(rank)?;
            left = joined(&operator, left, right, &matching)?;
        }
        Ok(left)
    }

    fn matching(&mut self) -> Result<Matching, String> {
        let mut matching = Matching { on: None, ignoring: BTreeSet::new(), group: None };
        if self.takes_word("on") {
            matching.on = Some(self.names()?);
        } else if self.takes_word("ignoring") {
            matching.ignoring = self.names()?;
        }
        for (word, is_left) in [("group_left", true), ("group_right", false)] {
            if self.takes_word(word) {
                let names = if self.tokens.first() == Some(&Token::Sign("(")) {
                    self.names()?
                } else {
                    BTreeSet::new()
                };
                matching.group = Some((is_left, names));
            }
        }
        Ok(matching)
    }

    fn unary(&mut self) -> Result<Value, String> {
        if self.takes("-") || self.takes("+") {
            return self.binary(5);
        }
        let value = self.primary()?;
        loop {
            if self.takes("[") {
                if value == Value::Scalar {
                    return Err("a number has no range".to_owned());
                }
                while !self.takes("]") {
                    self.next()?;
                }
            } else if self.takes_word("offset") || self.takes("@") {
                self.takes("-");
                self.next()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn primary(&mut self) -> Result<Value, String> {
        match self.next()? {
            Token::Sign("(") => {
                let value = self.binary(0)?;
                self.expect(")")?;
                Ok(value)
            }
            Token::Text(_) => Ok(Value::Scalar),
            Token::Word(word) if word.starts_with(|first: char| first.is_ascii_digit()) => Ok(Value::Scalar),
            Token::Word(word) if AGGREGATORS.contains(&&*word) => self.aggregate(&word),
            Token::Word(word) if self.tokens.first() == Some(&Token::Sign("(")) => self.call(&word),
            Token::Word(word) => self.selector(&word),
            Token::Sign(sign) => Err(format!("{sign} is not expected")),
        }
    }

    fn aggregate(&mut self, name: &str) -> Result<Value, String> {
        let mut grouping = self.grouping()?;
        let arguments = self.arguments()?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        let is_choice = name == "topk" || name == "bottomk";
        let Some(labels) = vector(&arguments)? else {
            return Ok(match grouping {
                _ if is_choice => Value::Itself,
                Some((true, by)) => Value::Vector(by),
                Some((false, _)) => Value::Itself,
                None => Value::Vector(BTreeSet::new()),
            });
        };
        let left = match grouping {
            None => BTreeSet::new(),
            Some((true, by)) => {
                has(&labels, &by, "by")?;
                by
            }
            Some((false, without)) => {
                has(&labels, &without, "without")?;
                &labels - &without
            }
        };
        // These choose samples and leave them as they are.
        Ok(Value::Vector(if is_choice { labels } else { left }))
    }

    fn grouping(&mut self) -> Result<Option<(bool, BTreeSet<String>)>, String> {
        for (word, is_by) in [("by", true), ("without", false)] {
            if self.takes_word(word) {
                return Ok(Some((is_by, self.names()?)));
            }
        }
        Ok(None)
    }

    fn names(&mut self) -> Result<BTreeSet<String>, String> {
        self.expect("(")?;
        let mut names = BTreeSet::new();
        while !self.takes(")") {
            match self.next()? {
                Token::Word(name) => drop(names.insert(name)),
                other => return Err(format!("{other:?} is no label")),
            }
            self.takes(",");
        }
        Ok(names)
    }

    fn arguments(&mut self) -> Result<Vec<(Value, Option<String>)>, String> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        while !self.takes(")") {
            let text = match self.tokens.first() {
                Some(Token::Text(text)) => Some(text.clone()),
                _ => None,
            };
            arguments.push((self.binary(0)?, text));
            self.takes(",");
        }
        Ok(arguments)
    }

    fn call(&mut self, function: &str) -> Result<Value, String> {
        let arguments = self.arguments()?;
        let text = |at: usize| arguments.get(at).and_then(|(_, text)| text.clone()).unwrap_or_default();
        match function {
            "time" | "scalar" | "pi" => return Ok(Value::Scalar),
            "vector" => return Ok(Value::Vector(BTreeSet::new())),
            _ => {}
        }
        let Some(mut labels) = vector(&arguments)? else { return Ok(Value::Itself) };
        match function {
            "histogram_quantile" => {
                let le = BTreeSet::from(["le".to_owned()]);
                has(&labels, &le, function)?;
                Ok(Value::Vector(&labels - &le))
            }
            "label_replace" => {
                has(&labels, &BTreeSet::from([text(3)]), function)?;
                labels.insert(text(1));
                Ok(Value::Vector(labels))
            }
            _ => Ok(Value::Vector(labels)),
        }
    }

    fn selector(&mut self, name: &str) -> Result<Value, String> {
        let labels = self.known.labels(name)?;
        if self.takes("{") {
            while !self.takes("}") {
                let (label, operator, value) = (self.next()?, self.next()?, self.next()?);
                let (Token::Word(label), Token::Sign(operator), Token::Text(value)) =
                    (label, operator, value)
                else {
                    return Err(format!("not understood in {name}{{}}"));
                };
                if let Some(labels) = &labels {
                    has(labels, &BTreeSet::from([label.clone()]), name)?;
                }
                if !PROMETHEUS.contains(&&*label) {
                    self.known.value(name, &label, operator.ends_with('~'), &value)?;
                }
                self.takes(",");
            }
        }
        Ok(labels.map_or(Value::Itself, Value::Vector))
    }
}

/// What an operator makes of two sides.
fn joined(operator: &str, left: Value, right: Value, matching: &Matching) -> Result<Value, String> {
    let (Value::Vector(left), Value::Vector(right)) = (&left, &right) else {
        let is_left = left != Value::Scalar && (left != Value::Itself || operator != "or");
        return Ok(if is_left { left } else { right });
    };
    if operator == "or" {
        return Ok(Value::Vector(left | right));
    }
    let own = |labels: &BTreeSet<String>| labels - &matching.ignoring;
    let by = match &matching.on {
        Some(on) => {
            has(left, on, &format!("left of {operator} on"))?;
            has(right, on, &format!("right of {operator} on"))?;
            on.clone()
        }
        None if own(left) == own(right) => own(left),
        None => {
            return Err(format!("{operator} finds nothing: {left:?} are the labels here, {right:?} there"));
        }
    };
    Ok(Value::Vector(match (&matching.group, operator) {
        (_, "and" | "unless") => left.clone(),
        (Some((true, taken)), _) => {
            has(right, taken, "group_left")?;
            left | taken
        }
        (Some((false, taken)), _) => {
            has(left, taken, "group_right")?;
            right | taken
        }
        (None, _) => by,
    }))
}

/// The labels of the first argument that has any; none: it is the rule's own.
fn vector(arguments: &[(Value, Option<String>)]) -> Result<Option<BTreeSet<String>>, String> {
    let found = arguments.iter().find_map(|(value, _)| match value {
        Value::Vector(labels) => Some(Some(labels.clone())),
        Value::Itself => Some(None),
        Value::Scalar => None,
    });
    found.ok_or_else(|| "samples are expected".to_owned())
}

fn has(labels: &BTreeSet<String>, wanted: &BTreeSet<String>, place: &str) -> Result<(), String> {
    let mut missing = wanted - labels;
    match missing.pop_first() {
        Some(label) => Err(format!("{place}: there is no label {label} among {labels:?}")),
        None => Ok(()),
    }
}
