"""The link is cut, and no packet says so."""

import time

from relay import Relay
from scenes import scene, scene_with_link

LIMIT = 1 + 1 + 1  # keep-alive, its time-out, and a second for everything else
BACK = 30  # until TCP tries again, and a little more


@scene
def network_loss(stage):
    """A relay keeps all sockets open and passes nothing on."""
    app = stage.app("strict")
    with Relay(app.url) as relay:
        return lose(stage, app, relay.url, relay, "network", lambda peer: peer in relay.peers)


@scene_with_link
def network_loss_on_a_real_link(stage):
    """The cable of the server's side is pulled."""
    app = stage.app("strict", link=stage.link)
    return lose(stage, app, app.url, stage.link, "cable", lambda peer: True)


def lose(stage, app, url, link, name, concerned):
    def ends():
        return [(at, line) for at, line in app.said_since(since) if concerned(line.split(" ")[0])]

    page = stage.open(url)
    stage.connect()
    stage.exchange("before the cut")
    time.sleep(1.5)  # long enough for a Ping or two to have been answered
    assert page.status() == "Open", page.status()
    since = time.monotonic()
    link.cut()
    try:
        page.send("into the void")
        ended = page.wait("end on the server's side", ends, seconds=LIMIT + 5)
        at, line = ended[0]
        took = at - since
        assert took <= LIMIT, f"the server needed {took:.1f} s to end the connection"
        # The browser cannot know: nothing came, not even an end.
        rows = page.rows()
        assert (page.status(), rows[-1]["look"], rows[-1]["data"]) == ("Open", "sent", "into the void"), rows
        told = f"the server ended the connection after {took:.1f} s, saying “{line}”"
        stage.picture(f"{name}-cut", told)
    finally:
        link.restore()
    page.wait("news for the browser", lambda: page.status() == "Closed", seconds=BACK)
    row = stage.closing_row("closed", "closed failed")
    # Either what the server said before it went arrives after all, or only that it has gone.
    assert "code 1011 (internal error), reason “no answer to keep-alive”" in row or "code 1006" in row, row
    assert not any(row["look"] == "received" and row["data"] == "into the void" for row in page.rows()), "an echo came"
    stage.picture(f"{name}-back")
    stage.connect_again()
    stage.exchange("after the cut")
    stage.picture(f"{name}-reconnected")
    return told

