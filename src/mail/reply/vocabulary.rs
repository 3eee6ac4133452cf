//! Words that clients write around quotes and under letters, in many languages, lower case where not said otherwise.

mod attributions;
mod labels;
mod phones;
mod separators;

pub use attributions::{OPENERS, QUOTING, SELF, WROTE, YOU};
pub use labels::{FROM_LABELS, OTHER_LABELS, SENT_LABELS, SUBJECT_LABELS};
pub use phones::{DEVICES, FROM_MY, OFFERS, SENT, SENT_AT_END, WHOLE};
pub use separators::{ABOVE, EARLIER, FORWARDED, ORIGINAL};
