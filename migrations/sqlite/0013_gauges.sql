-- Cases that are not closed, for monitoring: without it every look would read all cases there ever were.
CREATE INDEX cases_work ON cases (status, mailbox) WHERE status <> 'closed';
