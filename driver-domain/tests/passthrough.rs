//! What this end answers when dom0 takes cards back: the states of pciback as Xen's toolstack leaves them in xenstore.

use driver_domain::passthrough::{Passthrough, Question};
use driver_domain::xenstore_writer::XenstoreWriter;
use proptest::prelude::*;
use xen_pv_boot::pci::DIRECTORY;
use xen_pv_boot::xenbus::XenbusState;
use xen_pv_boot::xenstore::fake::Store;

const BACKEND: &str = "/local/domain/0/backend/pci/3/0";
const CARD: &str = "0000:00:00.0";

/// The domain has this card and another device.
fn two_devices() -> Store {
    let mut store = Store::default();
    store.set(&format!("{DIRECTORY}/backend"), BACKEND);
    store.set(&format!("{BACKEND}/num_devs"), "2");
    for (number, name) in [(0, "0000:00:01.0"), (1, CARD)] {
        store.set(&format!("{BACKEND}/vdev-{number}"), name);
        set_state(
            &mut store,
            &format!("state-{number}"),
            XenbusState::Initialised,
        );
    }
    set_state(&mut store, "state", XenbusState::Connected);
    store
}

fn set_state(store: &mut Store, node: &str, state: XenbusState) {
    store.set(&format!("{BACKEND}/{node}"), state.number().to_string());
}

/// What pciback asks, its watch having fired.
fn asked(passthrough: &mut Passthrough, store: &mut Store) -> Option<Question> {
    passthrough.watch_fired();
    let mut question = passthrough.next(false);
    while question.is_none() && store.turn() {
        question = passthrough.next(true);
    }
    question
}

/// The state of this end, once it has answered.
fn answered(
    passthrough: &Passthrough,
    store: &mut Store,
    question: Question,
) -> Option<XenbusState> {
    let mut writer = XenstoreWriter::new(store.client());
    passthrough.answer(question, &mut writer);
    writer.turn(false);
    while store.turn() {
        writer.turn(true);
    }
    assert!(writer.is_idle());
    let state = store.get(&format!("{DIRECTORY}/state"));
    state.map(XenbusState::parse)
}

#[test]
fn the_card_is_given_up_when_pciback_asks_for_it_and_both_answers_are_those_of_a_pcifront() {
    let mut store = two_devices();
    let mut passthrough = Passthrough::new(store.client(), BACKEND, &CARD);
    set_state(&mut store, "state-1", XenbusState::Closing);
    set_state(&mut store, "state", XenbusState::Reconfiguring);
    let give_up = Question::GiveUp { card: true };
    assert_eq!(asked(&mut passthrough, &mut store), Some(give_up));
    let state = answered(&passthrough, &mut store, give_up);
    assert_eq!(state, Some(XenbusState::Reconfiguring));
    set_state(&mut store, "state", XenbusState::Reconfigured);
    assert_eq!(asked(&mut passthrough, &mut store), Some(Question::Gone));
    let state = answered(&passthrough, &mut store, Question::Gone);
    assert_eq!(state, Some(XenbusState::Connected));
}

#[test]
fn a_question_about_another_device_is_answered_and_costs_no_card() {
    let mut store = two_devices();
    let mut passthrough = Passthrough::new(store.client(), BACKEND, &CARD);
    set_state(&mut store, "state-0", XenbusState::Closing);
    set_state(&mut store, "state", XenbusState::Reconfiguring);
    let question = Some(Question::GiveUp { card: false });
    assert_eq!(asked(&mut passthrough, &mut store), question);
}

#[test]
fn who_asks_nothing_gets_no_answer() {
    let mut store = two_devices();
    let mut passthrough = Passthrough::new(store.client(), BACKEND, &CARD);
    assert_eq!(asked(&mut passthrough, &mut store), None);
    store.remove(BACKEND);
    assert_eq!(asked(&mut passthrough, &mut store), None);
}

#[test]
fn a_directory_that_the_toolstack_has_removed_is_not_brought_back_by_an_answer() {
    let mut store = two_devices();
    let passthrough = Passthrough::new(store.client(), BACKEND, &CARD);
    store.remove(DIRECTORY);
    assert_eq!(answered(&passthrough, &mut store, Question::Gone), None);
}

proptest! {
    #[test]
    fn whatever_stands_in_pcibacks_directory_costs_a_bounded_number_of_requests(
        devices in "[0-9]{0,12}|-1|[a-z]{3}",
        nodes in prop::collection::btree_map("(vdev|state|dev)-[0-9]{1,2}", prop::collection::vec(any::<u8>(), 0..20), 0..40),
        state in prop_oneof![Just("7".into()), Just("8".into()), prop::collection::vec(any::<u8>(), 0..4)],
    ) {
        let mut store = two_devices();
        store.set(&format!("{BACKEND}/num_devs"), devices);
        for (name, value) in nodes {
            store.set(&format!("{BACKEND}/{name}"), value);
        }
        let state: Vec<u8> = state;
        store.set(&format!("{BACKEND}/state"), state);
        let mut passthrough = Passthrough::new(store.client(), BACKEND, &CARD);
        asked(&mut passthrough, &mut store);
        prop_assert!(store.requests() <= 2 + 2 * 32);
    }
}
