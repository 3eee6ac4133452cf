//! Where the company's own applications hand in mail, and a local mail server hands over what arrived.

pub mod auth;
pub mod data;
pub mod fuzz;
pub mod session;
