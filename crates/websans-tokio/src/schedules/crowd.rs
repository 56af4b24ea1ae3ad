//! Groups of connections that come and go.

use std::time::Duration;

use websans::CloseCode;
use websans_testkit::schedules::time;

use super::{
    Receive as _, assert_soon, client, explore, listen, message, pipe, quiet, receive_all, server, spawn,
};
use crate::Group;

/// The group is closed while connections come and go, one of them by itself: nobody is forgotten, and nobody enters later.
///
/// Seen to fail with a connection counted before it is told to close (one that ended just then had closed neither cleanly nor been cut
/// off), with no wake-up of those who wait for the last to leave, and with places that are still given out.
#[test]
fn a_group_is_closed_while_connections_come_and_go() {
    explore("tokio::a_group_is_closed_while_connections_come_and_go", || async {
        let group = Group::new(2);
        let members = [0, 1, 2].map(|n| {
            let group = group.clone();
            spawn(async move {
                let Some(member) = group.enter() else { return };
                let (near, far) = pipe(24);
                let mut ours = server(member.guard(near), quiet());
                let mut theirs = client(far);
                let peer = spawn(async move {
                    // The word to close may come first.
                    let _ = theirs.send(message(n, 0)).await;
                    if n == 0 {
                        return theirs.close(CloseCode::NORMAL, "").await.cloned().unwrap();
                    }
                    listen(theirs).await.1
                });
                assert!(receive_all(&mut ours).await.len() <= 1);
                let outcome = ours.outcome().cloned().unwrap();
                assert!(outcome.is_clean(), "{outcome:?}");
                let code = outcome.sent.and_then(|close| close.code);
                assert!(code == Some(CloseCode::GOING_AWAY) || n == 0, "{code:?}");
                drop(ours);
                assert!(peer.await.unwrap().is_clean());
            })
        });
        let waiting = [group.clone(), group.clone()].map(|group| {
            spawn(async move {
                group.closing().await;
                group.closed().await;
            })
        });
        let farewell = group.shutdown(Duration::from_secs(60)).await;
        assert_eq!((farewell.closed_cleanly, farewell.aborted), (farewell.open, 0), "{farewell}");
        assert!(group.is_empty() && group.enter().is_none());
        for task in members.into_iter().chain(waiting) {
            task.await.unwrap();
        }
        assert_soon();
    });
}

/// Of the members of a group that is shut down, one is blocked by a peer that does not read: it is cut off, both halves of it, when
/// the time is up, and no other.
///
/// Seen to fail with no wake-up of the members that are cut off.
#[test]
fn a_group_is_cut_off() {
    explore("tokio::a_group_is_cut_off", || async {
        let group = Group::new(9);
        let (near, silent) = pipe(24);
        let (mut receiver, sender) = server(group.enter().unwrap().guard(near), quiet()).split();
        let stuck = spawn(async move { sender.send(message(0, 9)).await.map(|()| sender) });
        let receiving = spawn(async move { receiver.next().await.map(|message| message.is_none()) });
        let (near, far) = pipe(24);
        let (mut other, sender) = server(group.enter().unwrap().guard(near), quiet()).split();
        let sending = spawn(async move {
            let sent = sender.send(message(1, 2)).await;
            drop(sender);
            sent
        });
        let peer = spawn(listen(client(far)));
        let listening = spawn(async move { (receive_all(&mut other).await, other.outcome()) });
        let grace = Duration::from_secs(2);
        let farewell = group.shutdown(grace).await;
        assert_eq!((farewell.open, farewell.closed_cleanly, farewell.aborted), (2, 1, 1), "{farewell}");
        assert!(stuck.await.unwrap().is_err());
        assert!(!matches!(receiving.await.unwrap(), Ok(false)));
        let sent = sending.await.unwrap().is_ok();
        assert_eq!(peer.await.unwrap().0.len(), usize::from(sent));
        let (none, outcome) = listening.await.unwrap();
        assert!(none.is_empty() && outcome.unwrap().is_clean());
        group.closed().await;
        assert!((grace..grace + super::SOON).contains(&time::now()), "{:?}", time::now());
        drop(silent);
    });
}
