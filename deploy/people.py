"""The people of deploy/try: they write mail, wait for mail, hit reply, and show what they see."""

import email
import email.policy
import email.utils
import os
import smtplib
import sys
import time

POLICY = email.policy.default


class MailHost:
    """The scratch mail host of deploy/mailhost, seen from its folder."""

    def __init__(self, folder):
        self.folder = folder
        with open(os.path.join(folder, "ports")) as ports:
            self.ports = dict(line.strip().split("=") for line in ports)

    def person(self, name, address):
        return Person(self, name, address)


class Person:
    """Somebody with a mailbox and a mail client."""

    def __init__(self, host, name, address):
        self.host, self.name, self.address = host, name, address
        self.seen = set()

    def _files(self):
        found = []
        for box in ("new", "cur"):
            folder = os.path.join(self.host.folder, "mail", self.address, box)
            if os.path.isdir(folder):
                found += [os.path.join(folder, name) for name in os.listdir(folder)]
        return sorted(found, key=os.path.getmtime)

    def receives(self, subject_part="", timeout_s=30):
        """The next mail that was not seen before, its subject holding these words."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            for path in self._files():
                key = os.path.basename(path).split(":")[0]
                if key in self.seen:
                    continue
                with open(path, "rb") as file:
                    mail = email.message_from_binary_file(file, policy=POLICY)
                if subject_part in str(mail["Subject"]):
                    self.seen.add(key)
                    return mail
            time.sleep(0.05)
        sys.exit(f"{self.name} <{self.address}> got no mail about \"{subject_part}\" in {timeout_s} s")

    def writes(self, to, subject, text, answers=None):
        mail = email.message.EmailMessage(policy=email.policy.SMTP)
        mail["From"] = email.utils.formataddr((self.name, self.address))
        mail["To"] = to
        mail["Subject"] = subject
        mail["Date"] = email.utils.localtime()
        mail["Message-ID"] = email.utils.make_msgid(domain=self.address.split("@")[1])
        if answers is not None:
            mail["In-Reply-To"] = answers["Message-ID"]
            mail["References"] = " ".join(filter(None, [answers["References"], answers["Message-ID"]]))
        mail.set_content(text)
        with smtplib.SMTP("127.0.0.1", int(self.host.ports["smtp"])) as smtp:
            smtp.send_message(mail, self.address, [email.utils.parseaddr(to)[1]])

    def replies(self, mail, text, subject=None):
        """What the reply button does: to Reply-To, quoted below."""
        to = str(mail["Reply-To"] or mail["From"])
        quoted = "".join(f"> {line}\n" for line in body(mail).splitlines())
        text = f"{text}\n\nOn {mail['Date']}, {mail['From']} wrote:\n{quoted}"
        self.writes(to, subject or re(str(mail["Subject"])), text, answers=mail)

    def shows(self, mail):
        print(f"\n┌─ {self.name} <{self.address}> sees")
        for field in ("From", "Reply-To", "To", "Subject", "Message-ID", "In-Reply-To"):
            if mail[field]:
                print(f"│ {field}: {mail[field]}")
        print("│")
        for line in body(mail).rstrip().splitlines():
            print(f"│ {line}")
        print("└─")


def re(subject):
    return subject if subject.lower().startswith("re:") else f"Re: {subject}"


def body(mail):
    part = mail.get_body(("plain",))
    return part.get_content() if part is not None else ""


def story(folder):
    host = MailHost(folder)
    jane = host.person("Jane Doe", "jane@customer.example")
    anna = host.person("Anna", "anna@agents.example")
    bob = host.person("Bob", "bob@agents.example")

    print("\n1. Jane writes to support@shop.example.")
    jane.writes("support@shop.example", "Where is my parcel?", "Hello,\n\nmy parcel was due on Monday. Where is it?\n\nJane\n")
    acknowledgement = jane.receives()
    jane.shows(acknowledgement)
    relay = anna.receives("Where is my parcel?")
    anna.shows(relay)
    bob.receives("Where is my parcel?")
    print("\n   (Bob has the same, with an address of his own to answer to.)")

    print("\n2. Anna hits reply in her mail client.")
    anna.replies(relay, "Hello Jane,\n\nit is on its way and comes tomorrow before noon.")
    answer = jane.receives("Where is my parcel?")
    jane.shows(answer)
    everything = answer.as_string()
    for secret in ("agents.example", "case #"):
        if secret in everything:
            sys.exit(f"the customer's mail holds \"{secret}\"")

    print("\n3. Jane hits reply from her phone and changes the subject.")
    jane.replies(answer, "Thank you! Can the driver ring twice?", subject="driver")
    follow_up = anna.receives()
    anna.shows(follow_up)
    if relay["Message-ID"] not in str(follow_up["References"]):
        sys.exit("the follow-up does not thread under the first relay")
    print("\n   It went to Anna, who answered, into the same thread of her client, and not to Bob.")


if __name__ == "__main__":
    story(sys.argv[1])
