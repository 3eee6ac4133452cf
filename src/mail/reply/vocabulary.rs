//! Words that clients write around quotes and under letters, in many languages, lower case where not said otherwise.

mod attributions;
mod labels;
mod phones;
mod separators;

pub use attributions::{OPENERS, WROTE};
pub use labels::{FROM_LABELS, OTHER_LABELS, SENT_LABELS, SUBJECT_LABELS};
pub use phones::MOBILE;
pub use separators::{ABOVE, FORWARDED, ORIGINAL};
