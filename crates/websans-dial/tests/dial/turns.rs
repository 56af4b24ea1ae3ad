//! One opening handshake at a time with each address (RFC 6455 §4.1).

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use websans_dial::{Action, Client, Place, Proxy, Taking, Turn, Turns};

use crate::peer::{START, address, dial};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll(taking: &mut Taking, count: &Arc<Count>) -> Option<Turn> {
    let waker = Waker::from(count.clone());
    match pin!(taking).poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(turn) => Some(turn),
        Poll::Pending => None,
    }
}

fn place(text: &str) -> Place {
    Place::Address(address(text))
}

#[test]
fn r026_one_opening_handshake_at_a_time_with_each_address() {
    let client = Client::new("ws://192.0.2.1/").unwrap();
    let same_address = Client::new("ws://192.0.2.1/other").unwrap();
    let count = Arc::new(Count::default());
    let taking = |client: &Client| match dial(client).poll(START).unwrap() {
        Action::Connect { turn, .. } => turn,
        action => panic!("{action:?}"),
    };
    let first = poll(&mut taking(&client).unwrap(), &count).expect("nobody else is connecting");
    // A clone of the client is the same client; another client is another.
    let mut second = taking(&client.clone()).unwrap();
    assert!(poll(&mut second, &count).is_none());
    assert!(poll(&mut taking(&same_address).unwrap(), &count).is_some());
    // Clients may be told to share their turns, or to take none.
    let shared = Turns::default();
    let (one, other) = (client.clone().turns(shared.clone()), same_address.turns(shared));
    let turn = poll(&mut taking(&one).unwrap(), &count).unwrap();
    assert!(poll(&mut taking(&other).unwrap(), &count).is_none());
    drop(turn);
    assert!(poll(&mut taking(&other).unwrap(), &count).is_some());
    assert!(taking(&client.clone().turns(None)).is_none());
    // "until that connection has been established or for that connection to have failed"
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    drop(first);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(poll(&mut second, &count).is_some());
}

#[test]
fn r026_hosts_behind_a_proxy_are_told_apart_by_name() {
    for (proxy, same) in [("http://192.0.2.9", false), ("socks5h://192.0.2.9", false)] {
        let turns = Turns::default();
        let count = Arc::new(Count::default());
        let taking = |url: &str| {
            let client = Client::new(url).unwrap().proxy(Proxy::parse(proxy).unwrap()).turns(turns.clone());
            match dial(&client).poll(START).unwrap() {
                Action::Queue(taking) => taking,
                action => panic!("{action:?}"),
            }
        };
        let _one = poll(&mut taking("ws://one.example"), &count).unwrap();
        assert!(poll(&mut taking("ws://one.example/x"), &count).is_none());
        assert_eq!(poll(&mut taking("ws://two.example"), &count).is_none(), same);
    }
}

#[test]
fn turns_go_by_the_order_of_asking() {
    let turns = Turns::default();
    let counts: Vec<Arc<Count>> = (0..4).map(|_| Arc::default()).collect();
    let mut takings: Vec<Taking> = (0..4).map(|_| turns.take(place("192.0.2.1:80"))).collect();
    let first = poll(&mut takings[3], &counts[3]).unwrap();
    for index in 0..3 {
        assert!(poll(&mut takings[index], &counts[index]).is_none());
    }
    drop(first);
    let woken = |counts: &[Arc<Count>]| -> Vec<usize> {
        counts.iter().map(|count| count.0.load(Ordering::Relaxed)).collect()
    };
    assert_eq!(woken(&counts), [1, 0, 0, 0]);
    // Who is not in turn gets none, even if polled first.
    assert!(poll(&mut takings[1], &counts[1]).is_none());
    // Who goes away before taking it hands it on.
    drop(takings.remove(0));
    assert_eq!(woken(&counts), [1, 1, 0, 0]);
    // Who leaves the queue is passed over.
    let mut last = takings.remove(1);
    let turn = poll(&mut takings[0], &counts[1]).unwrap();
    drop(takings);
    drop(turn);
    assert_eq!(woken(&counts), [1, 1, 1, 0]);
    drop(poll(&mut last, &counts[2]).unwrap());
    assert!(format!("{turns:?}").contains("taken: 0"), "{turns:?}");
}

#[test]
fn other_places_do_not_wait() {
    let turns = Turns::default();
    let count = Arc::new(Count::default());
    let _one = poll(&mut turns.take(place("192.0.2.1:80")), &count).unwrap();
    for other in [
        place("192.0.2.1:81"),
        place("192.0.2.2:80"),
        place("[2001:db8::1]:80"),
        Place::Host("192.0.2.1".into(), 80),
    ] {
        assert!(poll(&mut turns.take(other), &count).is_some());
    }
}
