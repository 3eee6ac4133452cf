use super::*;

const OWN: [&str; 5] = ["Unowned", "Waiting", "Closed", "anna", "bob"];

fn meaningful() -> BTreeSet<String> {
    OWN.iter().map(|name| (*name).to_owned()).collect()
}

/// Entry 7 of case 1: believed there, going there, wanted there.
fn row(place: &str, going: &str, wanted: &str) -> Filed {
    Filed {
        entry: 7,
        case: Some(1),
        marker: if place.is_empty() && going.is_empty() { String::new() } else { "m7".to_owned() },
        place: place.to_owned(),
        going: going.to_owned(),
        wanted: (!wanted.is_empty()).then(|| wanted.to_owned()),
    }
}

fn at(folder: &str, uid: u32) -> Sighting {
    let spot = if folder == "INBOX" { Spot::Outside(folder.to_owned()) } else { Spot::Inside(folder.to_owned()) };
    Sighting { spot, uid }
}

/// `anna 3, bob 1`
fn seen(places: &str) -> Found {
    let one = |text: &str| {
        let (folder, uid) = text.trim().split_once(' ').unwrap_or(("", "0"));
        at(folder, uid.parse().unwrap_or_default())
    };
    let sightings: Vec<Sighting> = places.split(',').filter(|p| !p.is_empty()).map(one).collect();
    if sightings.is_empty() { Found::new() } else { Found::from([("m7".to_owned(), sightings)]) }
}

fn told(steps: &[Step]) -> String {
    let words = |step: &Step| match step {
        Step::Append { to, .. } => format!("append to {to}"),
        Step::Move { from, to, .. } => format!("move {:?} {} to {to}", from.spot, from.uid),
        Step::Remove { from, .. } => format!("remove {:?} {}", from.spot, from.uid),
        Step::Settle { place, .. } => format!("settle in {place}"),
        Step::Forget { .. } => "forget".to_owned(),
    };
    let text = steps.iter().map(words).collect::<Vec<_>>().join("; ");
    text.replace("Inside(\"", "").replace("Outside(\"", "").replace("\")", "")
}

#[test]
fn belief_and_sight_make_steps() {
    for (row, found, order, expected) in [
        (row("", "", "Unowned"), "", "", "append to Unowned"),
        (row("Unowned", "", "Unowned"), "Unowned 1", "", ""),
        (row("Unowned", "", "anna"), "Unowned 1", "", "move Unowned 1 to anna"),
        // deleted
        (row("Unowned", "", "Unowned"), "", "", "append to Unowned"),
        // moved by a person; the order comes before the steps, and changes what is wanted
        (row("Unowned", "", "Unowned"), "anna 4", "anna 4", "move anna 4 to Unowned"),
        (row("Unowned", "", "anna"), "anna 4", "", "settle in anna"),
        (row("Unowned", "", "Unowned"), "zoe 4", "zoe 4", "move zoe 4 to Unowned"),
        (row("Unowned", "", "Unowned"), "INBOX 9", "INBOX 9", "move INBOX 9 to Unowned"),
        // copied by a person
        (row("Unowned", "", "Unowned"), "Unowned 1,anna 4", "", ""),
        (row("Unowned", "", "bob"), "Unowned 1,anna 4", "", "move Unowned 1 to bob"),
        (row("Unowned", "", "anna"), "Unowned 1,anna 4", "", "settle in anna"),
        (row("Unowned", "", "Unowned"), "Unowned 1,Unowned 2", "", ""),
        // a crash: before the step, after it, and in the middle of a copy and a removal
        (row("Unowned", "anna", "anna"), "Unowned 1", "", "move Unowned 1 to anna"),
        (row("Unowned", "anna", "anna"), "anna 4", "", "settle in anna"),
        (row("Unowned", "anna", "anna"), "Unowned 1,anna 4", "", "settle in anna"),
        (row("Unowned", "anna", "bob"), "anna 4", "", "move anna 4 to bob"),
        (row("", "Unowned", "Unowned"), "", "", "append to Unowned"),
        (row("", "Unowned", "Unowned"), "Unowned 1", "", "settle in Unowned"),
        // and then a person moved it
        (row("Unowned", "anna", "anna"), "Closed 2", "Closed 2", "move Closed 2 to anna"),
        // it turns up where nobody watched
        (Filed { marker: "m7".to_owned(), ..row("", "", "Unowned") }, "anna 4", "", "move anna 4 to Unowned"),
        // spam, erased, or closed for long
        (row("Closed", "", ""), "Closed 1,anna 4", "", "remove Closed 1; remove anna 4"),
        (row("Closed", "", ""), "", "", "forget"),
    ] {
        let found = seen(found);
        let filed = std::slice::from_ref(&row);
        let orders = orders(filed, &found, &meaningful());
        let words: Vec<String> = orders.iter().map(|o| format!("{:?} {}", o.at.spot, o.at.uid)).collect();
        let words = words.join("").replace("Inside(\"", "").replace("Outside(\"", "").replace("\")", "");
        assert_eq!(words, order, "{row:?} {found:?}");
        assert_eq!(told(&steps(filed, &found, &BTreeSet::new())), expected, "{row:?} {found:?}");
    }
}

#[test]
fn a_copy_beside_the_one_that_counts_goes_when_it_has_lasted() {
    let row = row("Unowned", "", "Unowned");
    let found = seen("Unowned 1,Unowned 2,anna 4");
    let filed = std::slice::from_ref(&row);
    assert_eq!(surplus(filed, &found), BTreeSet::from([at("Unowned", 2), at("anna", 4)]));
    assert_eq!(told(&steps(filed, &found, &BTreeSet::from([at("anna", 4)]))), "remove anna 4");
    assert_eq!(odd(filed, &found), BTreeSet::from(["m7".to_owned()]));
    assert_eq!(odd(filed, &seen("Unowned 1")), BTreeSet::new());
    assert_eq!(odd(filed, &seen("")).len(), 1);
}

#[test]
fn of_several_moves_of_a_case_the_newest_with_a_meaning_counts() {
    let of = |entry: i64| Filed { entry, marker: format!("m{entry}"), ..row("Unowned", "", "Unowned") };
    let filed = [of(1), of(2), of(3)];
    let lies = |places: [&str; 3]| -> Found {
        (1..).zip(places).map(|(n, place): (i64, _)| (format!("m{n}"), vec![at(place, 5)])).collect()
    };
    for (places, expected) in [
        (["anna", "bob", "Unowned"], Some("bob")),
        (["anna", "bob", "zoe"], Some("bob")),
        (["Closed", "Unowned", "Unowned"], Some("Closed")),
        (["zoe", "INBOX", "Unowned"], Some("INBOX")),
        (["Unowned", "Unowned", "Unowned"], None),
    ] {
        let orders = orders(&filed, &lies(places), &meaningful());
        assert_eq!(orders.iter().map(|o| o.at.clone()).next(), expected.map(|name| at(name, 5)), "{places:?}");
        assert!(orders.len() <= 1);
    }
}

#[test]
fn an_order_says_what_was_there_to_be_seen() {
    let moved = row("anna", "", "anna");
    let other = |entry: i64, place: &str| Filed { entry, marker: format!("m{entry}"), ..row(place, "", "anna") };
    for (others, expected) in
        [(vec![], 7), (vec![other(8, "anna")], 8), (vec![other(8, "")], 7), (vec![other(5, "anna"), other(9, "")], 7)]
    {
        let filed: Vec<Filed> = std::iter::once(moved.clone()).chain(others).collect();
        let mut found = seen("Closed 2");
        for row in filed.iter().filter(|row| row.entry != 7 && !row.place.is_empty()) {
            found.insert(row.marker.clone(), vec![at("anna", 3)]);
        }
        let shown: Vec<i64> = orders(&filed, &found, &meaningful()).iter().map(|o| o.shown).collect();
        assert_eq!(shown, [expected], "{filed:?}");
    }
}

/// Numbers that are the same at each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % sides.max(1)
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.roll(one_in) == 0
    }
}

/// A server, the store, and people who do as they like.
struct World {
    filed: Vec<Filed>,
    /// Folder, UID, marker.
    mails: Vec<(String, u32, String)>,
    uid: u32,
    dice: Dice,
    /// Nobody but the desk does anything.
    alone: bool,
}

impl World {
    fn new(seed: u64, entries: i64) -> Self {
        let of = |entry: i64| Filed { entry, case: Some(entry % 3), ..row("", "", "Unowned") };
        World { filed: (1..=entries).map(of).collect(), mails: Vec::new(), uid: 0, dice: Dice(seed), alone: false }
    }

    fn found(&self) -> Found {
        let mut found = Found::new();
        for (folder, uid, marker) in &self.mails {
            if folder != "Trash" {
                found.entry(marker.clone()).or_default().push(at(folder, *uid));
            }
        }
        found
    }

    fn add(&mut self, folder: &str, marker: &str) {
        self.uid += 1;
        self.mails.push((folder.to_owned(), self.uid, marker.to_owned()));
    }

    fn take(&mut self, sighting: &Sighting) -> Option<String> {
        let is_it = |(folder, uid, _): &(String, u32, String)| at(folder, *uid) == *sighting;
        let index = self.mails.iter().position(is_it)?;
        Some(self.mails.remove(index).2)
    }

    fn people(&mut self) {
        const PLACES: [&str; 9] = ["Unowned", "Waiting", "Closed", "anna", "bob", "zoe", "INBOX", "Trash", "anna"];
        for _ in 0..self.dice.roll(4) {
            if self.mails.is_empty() {
                return;
            }
            let index = self.dice.roll(self.mails.len());
            let to = PLACES[self.dice.roll(PLACES.len())];
            let marker = self.mails[index].2.clone();
            match self.dice.roll(3) {
                0 => drop(self.mails.remove(index)),
                1 => self.add(to, &marker),
                _ => {
                    self.mails.remove(index);
                    self.add(to, &marker);
                }
            }
        }
    }

    /// The desk by itself: a mail arrives, a case is answered, spam is found.
    fn desk(&mut self) {
        if self.dice.chance(3) {
            let case = i64::try_from(self.dice.roll(3)).unwrap_or_default();
            let wanted = (!self.dice.chance(6)).then(|| OWN[self.dice.roll(OWN.len())].to_owned());
            self.wants(case, &wanted);
        }
    }

    fn wants(&mut self, case: i64, wanted: &Option<String>) {
        for row in self.filed.iter_mut().filter(|row| row.case == Some(case)) {
            row.wanted.clone_from(wanted);
        }
    }

    /// One pass, which may end in a crash at any place. `calm`: nobody else does anything meanwhile.
    fn pass(&mut self, calm: bool) {
        let found = self.found();
        for order in orders(&self.filed, &found, &meaningful()) {
            if let Spot::Inside(folder) = &order.at.spot
                && meaningful().contains(folder)
            {
                self.wants(order.case, &Some(folder.clone()));
            }
            if !calm && self.dice.chance(9) {
                return;
            }
        }
        let lasting = surplus(&self.filed, &found);
        for step in steps(&self.filed, &found, &lasting) {
            if !calm && !self.alone && self.dice.chance(9) {
                self.people();
            }
            if !self.carried_out(&step, calm) {
                return;
            }
        }
    }

    /// `false`: a crash.
    fn carried_out(&mut self, step: &Step, calm: bool) -> bool {
        let crashes = |dice: &mut Dice| !calm && dice.chance(12);
        match step {
            Step::Settle { entry, place } => self.lies(*entry, place),
            Step::Forget { entry } => {
                let row = self.filed.iter_mut().find(|row| row.entry == *entry);
                for row in row.into_iter() {
                    (row.marker, row.place, row.going) = (String::new(), String::new(), String::new());
                }
            }
            Step::Remove { from, .. } => drop(self.take(from)),
            Step::Append { entry, to } => {
                self.goes(*entry, "", to);
                if crashes(&mut self.dice) {
                    return false;
                }
                self.add(to, &format!("m{entry}"));
                if crashes(&mut self.dice) {
                    return false;
                }
                self.lies(*entry, to);
            }
            Step::Move { entry, from, to } => {
                let place = match &from.spot {
                    Spot::Inside(folder) => folder.clone(),
                    Spot::Outside(_) => String::new(),
                };
                self.goes(*entry, &place, to);
                if crashes(&mut self.dice) {
                    return false;
                }
                // what a client took away meanwhile is not moved, and the server says OK
                if let Some(marker) = self.take(from) {
                    self.add(to, &marker);
                    if crashes(&mut self.dice) {
                        // a server without MOVE has copied it and not taken it away
                        let (Spot::Inside(folder) | Spot::Outside(folder)) = &from.spot;
                        self.add(folder, &marker);
                        return false;
                    }
                }
                self.lies(*entry, to);
            }
        }
        true
    }

    fn goes(&mut self, entry: i64, place: &str, to: &str) {
        for row in self.filed.iter_mut().filter(|row| row.entry == entry) {
            (row.marker, row.place, row.going) = (format!("m{entry}"), place.to_owned(), to.to_owned());
        }
    }

    fn lies(&mut self, entry: i64, place: &str) {
        for row in self.filed.iter_mut().filter(|row| row.entry == entry) {
            (row.place, row.going) = (place.to_owned(), String::new());
        }
    }

    fn is_in_order(&self) -> bool {
        let found = self.found();
        self.filed.iter().all(|row| {
            let lies = found.get(&format!("m{}", row.entry)).cloned().unwrap_or_default();
            match &row.wanted {
                Some(wanted) => lies.len() == 1 && lies.iter().all(|s| s.spot == Spot::Inside(wanted.clone())),
                // what somebody takes out of the trash when nothing is known of it any more is theirs
                None => lies.is_empty() || row.marker.is_empty(),
            }
        })
    }
}

#[test]
fn whatever_people_and_crashes_do_one_copy_of_each_mail_lies_in_its_folder_in_the_end() {
    for seed in 0..3_000 {
        let mut world = World::new(seed, 8);
        for _ in 0..20 {
            world.people();
            world.desk();
            world.pass(false);
        }
        for _ in 0..4 {
            world.pass(true);
        }
        assert!(world.is_in_order(), "seed {seed}: {:#?} {:#?}", world.filed, world.mails);
        let before = (world.filed.clone(), world.mails.len());
        world.pass(true);
        assert_eq!(before, (world.filed.clone(), world.mails.len()), "seed {seed}: it rests");
    }
}

#[test]
fn a_crash_is_no_order() {
    for seed in 0..3_000 {
        let mut world = World { alone: true, ..World::new(seed, 6) };
        for _ in 0..20 {
            world.desk();
            let wanted: Vec<_> = world.filed.iter().map(|row| row.wanted.clone()).collect();
            world.pass(false);
            let after: Vec<_> = world.filed.iter().map(|row| row.wanted.clone()).collect();
            assert_eq!(wanted, after, "seed {seed}");
        }
    }
}
