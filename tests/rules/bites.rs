//! Mistakes that the rules' tests notice.

use crate::bite::bites;

#[test]
fn r13_bites_where_the_message_id_alone_tells_mails_apart() {
    bites(
        "dedup_by_message_id",
        "cases::r13_the_same_mail_is_one_mail_in_however_many_mailboxes_it_lies",
        "the same id with other content is another mail",
    );
}
