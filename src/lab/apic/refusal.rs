//! What the APIC answers to what it does not take.

use std::fmt;

/// An error as the APIC words it (its code has nothing to do with the status of HTTP).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of HTTP.
    pub status: u16,
    /// `code` of the error.
    pub code: u16,
    /// `text` of the error.
    pub text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {}): {}", self.status, self.code, self.text)
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    fn bad(code: u16, text: String) -> Self {
        Self { status: 400, code, text }
    }

    pub(super) fn configuration(why: &str) -> Self {
        Self::bad(1, format!("Invalid Configuration : {why}"))
    }

    pub(super) fn absent(dn: &str) -> Self {
        Self::bad(102, format!("configured object ((Dn0)) not found Dn0={dn}, "))
    }

    pub(super) fn exists(label: &str, class: &str, dn: &str) -> Self {
        Self::bad(103, format!("Cannot create {label} ({class}); object {dn} already exists."))
    }

    pub(super) fn relative_name(rn: &str) -> Self {
        Self::bad(104, format!("Invalid RN {rn}"))
    }

    pub(super) fn deletion(class: &str) -> Self {
        Self::bad(107, format!("Cannot delete object of class:{class}"))
    }

    /// Of a class that the APIC alone writes. The text is a guess.
    pub(super) fn creation(class: &str) -> Self {
        Self::bad(107, format!("Cannot create or modify object of class:{class}"))
    }

    /// A property that only the APIC writes. The text is a guess.
    pub(super) fn read_only(class: &str, property: &str) -> Self {
        Self::bad(107, format!("Cannot modify read-only property, class={class}, prop={property}"))
    }

    pub(super) fn create_only(class: &str, property: &str) -> Self {
        let text = "Create-only and naming props cannot be modified after creation";
        Self::bad(107, format!("{text}, class={class}, prop={property}"))
    }

    pub(super) fn value(class: &str, property: &str, value: &str) -> Self {
        Self::bad(
            120,
            format!("unknown property value {value}, name {property}, class {class} [(Dn0)] Dn0=, "),
        )
    }

    pub(super) fn property(class: &str, property: &str) -> Self {
        Self::bad(121, format!("Prop '{property}' not found in class '{class}' property table"))
    }

    pub(super) fn class(class: &str) -> Self {
        Self::bad(122, format!("unknown managed object class {class}"))
    }

    pub(super) fn validation(dn: &str, property: &str, value: &str) -> Self {
        Self::bad(801, format!("property {property} of {dn} failed validation for value '{value}'"))
    }

    pub(super) fn request(text: impl Into<String>) -> Self {
        Self::bad(400, text.into())
    }

    pub(super) fn attribute(class: &str, attribute: &str) -> Self {
        Self::request(format!("unknown attribute '{attribute}' in element '{class}'"))
    }

    pub(super) fn nesting(child: &str, parent: &str) -> Self {
        Self::request(format!("Invalid request. Can not contain child '{child}' under parent '{parent}'"))
    }

    pub(super) fn too_big() -> Self {
        Self::request("Unable to process the query, result dataset is too big")
    }

    pub(super) fn token() -> Self {
        Self { status: 403, code: 403, text: "Token was invalid (Error: Token timeout)".to_owned() }
    }

    pub(super) fn signature() -> Self {
        Self { status: 403, code: 403, text: "Certificate authentication failed".to_owned() }
    }

    pub(super) fn password() -> Self {
        let text = "Username or password is incorrect - FAILED local authentication".to_owned();
        Self { status: 401, code: 401, text }
    }

    /// A role that is missing. The text is a guess.
    pub(super) fn role(class: &str, dn: &str) -> Self {
        let text = format!("User does not have domain access to config Mo, class {class}, dn {dn}");
        Self { status: 403, code: 403, text }
    }
}
