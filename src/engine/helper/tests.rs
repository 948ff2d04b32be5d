use std::os::fd::BorrowedFd;
use std::time::Duration;

use mio::{Events, Poll};

use super::*;

const TOKEN: Token = Token(1 << 34);

const NOW: Tick = Tick(1000);

/// A helper in a loop of its own, and the far_end's end of its socket.
struct Rig {
    poll: Poll,
    helper: Helper,
    far_end: Option<OwnedFd>,
    replies: VecDeque<HelperReply>,
}

impl Rig {
    fn new() -> Rig {
        let poll = Poll::new().unwrap();
        let (near, far) = seqpacket::pair().unwrap();
        let helper = Helper::new(near, poll.registry(), TOKEN).unwrap();
        Rig {
            poll,
            helper,
            far_end: Some(far),
            replies: VecDeque::new(),
        }
    }

    fn far_end(&self) -> BorrowedFd<'_> {
        self.far_end.as_ref().unwrap().as_fd()
    }

    /// Waits until the socket is ready, and has the helper look at it.
    fn turn(&mut self) {
        let mut events = Events::with_capacity(4);
        self.poll
            .poll(&mut events, Some(Duration::from_secs(20)))
            .unwrap();
        assert!(events.iter().all(|event| event.token() == TOKEN));
        assert!(!events.is_empty(), "the socket is never ready");
        self.helper.ready(&mut self.replies);
    }

    fn asked(&self) -> Request {
        let mut buffer = [0; MAX];
        let packet = seqpacket::receive(self.far_end(), &mut buffer).unwrap();
        Request::decode(packet.unwrap()).unwrap()
    }

    fn answer(&self, id: u32, answer: Answer, descriptor: Option<BorrowedFd<'_>>) {
        let packet = Reply { id, answer }.encode().unwrap();
        seqpacket::send(self.far_end(), &packet, descriptor).unwrap();
    }

    /// The replies so far, and whether each has a descriptor.
    fn take(&mut self) -> Vec<(u32, Answer, bool)> {
        self.replies
            .drain(..)
            .map(|reply| (reply.id, reply.answer, reply.descriptor.is_some()))
            .collect()
    }
}

#[test]
fn a_request_goes_out_and_its_answer_comes_back() {
    let mut rig = Rig::new();
    let first = rig.helper.ask(Ask::Reload, NOW).unwrap();
    let second = rig.helper.ask(Ask::Reload, NOW).unwrap();
    assert_ne!(first, second);
    for id in [first, second] {
        let ask = Ask::Reload;
        assert_eq!(rig.asked(), Request { id, ask });
    }
    rig.answer(second, Answer::Refused, None);
    rig.answer(first, Answer::Hash(true), None);
    while rig.replies.len() < 2 {
        rig.turn();
    }
    assert_eq!(
        rig.take(),
        [
            (second, Answer::Refused, false),
            (first, Answer::Hash(true), false)
        ]
    );
    assert!(rig.helper.is_alive());
}

#[test]
fn descriptors_come_with_answers_that_bring_them_and_with_no_others() {
    let mut rig = Rig::new();
    let file = tempfile::tempfile().unwrap();
    let ids: Vec<u32> = (0..3)
        .map(|_| rig.helper.ask(Ask::Reload, NOW).unwrap())
        .collect();
    rig.answer(ids[0], Answer::Descriptor, Some(file.as_fd()));
    rig.answer(ids[1], Answer::Descriptor, None);
    rig.answer(ids[2], Answer::Refused, Some(file.as_fd()));
    while rig.replies.len() < 3 {
        rig.turn();
    }
    let replies = rig.take();
    assert_eq!(replies[0], (ids[0], Answer::Descriptor, true));
    assert!(matches!(replies[1], (_, Answer::Failed(_), false)));
    assert_eq!(replies[2], (ids[2], Answer::Refused, false));
}

#[test]
fn when_the_helper_ends_everything_is_unavailable() {
    let mut rig = Rig::new();
    let ids: Vec<u32> = (0..3)
        .map(|_| rig.helper.ask(Ask::Reload, NOW).unwrap())
        .collect();
    rig.answer(ids[1], Answer::Refused, None);
    rig.far_end = None;
    while rig.helper.is_alive() {
        rig.turn();
    }
    assert_eq!(
        rig.take(),
        [
            (ids[1], Answer::Refused, false),
            (ids[0], Answer::Unavailable, false),
            (ids[2], Answer::Unavailable, false),
        ]
    );
    assert_eq!(rig.helper.ask(Ask::Reload, NOW), Err(NotAsked::Gone));

    let (near, far) = seqpacket::pair().unwrap();
    rig.helper
        .replace(near, rig.poll.registry(), TOKEN)
        .unwrap();
    rig.far_end = Some(far);
    let id = rig.helper.ask(Ask::Reload, NOW).unwrap();
    assert!(!ids.contains(&id));
    assert_eq!(rig.asked().id, id);
}

#[test]
fn an_answer_that_is_no_message_ends_the_helper() {
    let mut rig = Rig::new();
    let id = rig.helper.ask(Ask::Reload, NOW).unwrap();
    seqpacket::send(rig.far_end(), b"nonsense", None).unwrap();
    while rig.helper.is_alive() {
        rig.turn();
    }
    assert_eq!(rig.take(), [(id, Answer::Unavailable, false)]);
}

#[test]
fn an_answer_to_nothing_is_dropped() {
    let mut rig = Rig::new();
    let id = rig.helper.ask(Ask::Reload, NOW).unwrap();
    rig.answer(id + 1, Answer::Hash(true), None);
    rig.answer(id, Answer::Refused, None);
    rig.answer(id, Answer::Hash(true), None);
    rig.far_end = None;
    while rig.helper.is_alive() {
        rig.turn();
    }
    assert_eq!(rig.take(), [(id, Answer::Refused, false)]);
}

#[test]
fn a_helper_that_hangs_is_not_waited_for() {
    let mut rig = Rig::new();
    assert_eq!(rig.helper.deadline(), None);
    let early = rig.helper.ask(Ask::Reload, NOW).unwrap();
    let due = rig.helper.deadline().unwrap();
    assert_eq!(due, NOW.after(ANSWER_TIMEOUT));
    let later = NOW.after(Millis::seconds(1));
    let late = rig.helper.ask(Ask::Reload, later).unwrap();
    rig.helper.on_deadline(due, &mut rig.replies);
    assert_eq!(rig.take(), [(early, Answer::Unavailable, false)]);
    assert_eq!(rig.helper.deadline(), Some(later.after(ANSWER_TIMEOUT)));
    // It comes to it in the end: one of them is not waited for any more.
    rig.answer(early, Answer::Hash(true), None);
    rig.answer(late, Answer::Hash(true), None);
    while rig.replies.is_empty() {
        rig.turn();
    }
    assert_eq!(rig.take(), [(late, Answer::Hash(true), false)]);
    assert_eq!(rig.helper.deadline(), None);
}

#[test]
fn what_is_given_up_counts_until_it_is_answered() {
    let mut rig = Rig::new();
    for _ in 0..MAX_OUTSTANDING {
        rig.helper.ask(Ask::Reload, NOW).unwrap();
    }
    rig.helper
        .on_deadline(NOW.after(ANSWER_TIMEOUT), &mut rig.replies);
    assert_eq!(rig.take().len(), MAX_OUTSTANDING);
    assert_eq!(rig.helper.ask(Ask::Reload, NOW), Err(NotAsked::Full));
    // And is not told once more when the far_end ends.
    rig.far_end = None;
    while rig.helper.is_alive() {
        rig.turn();
    }
    assert!(rig.take().is_empty());
}

#[test]
fn outstanding_requests_are_bounded_and_none_is_lost_when_the_socket_is_full() {
    let mut rig = Rig::new();
    let long = || Ask::Hash {
        secret: Zeroizing::new(vec![b'x'; MAX / 2]),
        password: Zeroizing::new(Vec::new()),
    };
    let ids: Vec<u32> = (0..MAX_OUTSTANDING)
        .map(|_| rig.helper.ask(long(), NOW).unwrap())
        .collect();
    assert!(!rig.helper.unsent.is_empty(), "all of it fits the socket");
    assert_eq!(rig.helper.ask(Ask::Reload, NOW), Err(NotAsked::Full));
    for id in ids {
        while rig.helper.unsent.len() > MAX_OUTSTANDING / 2 {
            assert_eq!(rig.asked().ask, long());
            rig.helper.ready(&mut rig.replies);
        }
        rig.answer(id, Answer::Unavailable, None);
    }
    while rig.replies.len() < MAX_OUTSTANDING {
        rig.turn();
    }
    assert!(rig.helper.ask(Ask::Reload, NOW).is_ok());
}

#[test]
fn what_does_not_fit_a_message_is_not_asked() {
    let mut rig = Rig::new();
    let ask = Ask::Open {
        path: "x".repeat(MAX).into(),
    };
    assert_eq!(rig.helper.ask(ask, NOW), Err(NotAsked::TooLong));
    assert_eq!(rig.helper.ask(Ask::Reload, NOW), Ok(0));
    assert_eq!(rig.asked().id, 0);
}

#[test]
fn an_answer_is_waited_for_and_others_are_kept() {
    let mut rig = Rig::new();
    let other = rig.helper.ask(Ask::Reload, NOW).unwrap();
    let far_end = rig.far_end.take().unwrap();
    // It answers the first that was asked when it has heard the second, and the second then.
    let answers = std::thread::spawn(move || {
        let mut buffer = [0; MAX];
        let mut ids = [0, 1].map(|_| {
            let packet = seqpacket::receive(far_end.as_fd(), &mut buffer)
                .unwrap()
                .unwrap();
            Request::decode(packet).unwrap().id
        });
        ids.sort_unstable();
        for id in ids {
            let answer = Answer::Hash(id % 2 == 1);
            let packet = Reply { id, answer }.encode().unwrap();
            seqpacket::send(far_end.as_fd(), &packet, None).unwrap();
        }
        far_end
    });
    let wait = Duration::from_secs(20);
    let asked = rig
        .helper
        .ask_and_wait(Ask::Reload, &mut rig.replies, wait, NOW);
    let reply = asked.unwrap();
    assert_eq!((reply.id, reply.answer), (other + 1, Answer::Hash(true)));
    assert_eq!(rig.take(), [(other, Answer::Hash(false), false)]);
    drop(answers.join());
}

#[test]
fn a_helper_that_says_nothing_is_not_waited_for_for_ever() {
    let mut rig = Rig::new();
    let wait = Duration::from_millis(1);
    let asked = rig
        .helper
        .ask_and_wait(Ask::Reload, &mut rig.replies, wait, NOW);
    assert!(matches!(asked, Err(NotAsked::Late)));
    // Nor is one that ends.
    rig.far_end = None;
    let wait = Duration::from_secs(20);
    let asked = rig
        .helper
        .ask_and_wait(Ask::Reload, &mut rig.replies, wait, NOW);
    assert_eq!(asked.unwrap().answer, Answer::Unavailable);
    let asked = rig
        .helper
        .ask_and_wait(Ask::Reload, &mut rig.replies, wait, NOW);
    assert!(matches!(asked, Err(NotAsked::Gone)));
}
