import pytest

from engine.base.errors import UsageError
from engine.ship import chat
from engine.ship.chat import Chat


@pytest.mark.parametrize("target", ["a99", "nothing.gguf", "no-such-run"])
def test_what_is_not_there_is_told(workspace, run, target):
    with pytest.raises(UsageError):
        chat.open_chat(workspace, target)


def test_a_run_without_a_proven_file_says_how_to_make_one(workspace, run, add_file):
    add_file(run, "gguf:F16", 10)
    with pytest.raises(UsageError, match=f"tunesmith export {run}"):
        chat.open_chat(workspace, str(run))


def test_an_adapter_is_no_file_to_chat_with(workspace, run, add_file):
    artifact = add_file(run, "adapter", 10)
    with pytest.raises(UsageError, match="no GGUF artifact"):
        chat.open_chat(workspace, f"a{artifact}")


@pytest.fixture(scope="module")
def talk(exported):
    opened = Chat(exported.f16, "Answer in one short sentence.")
    yield opened
    opened.close()


def test_the_pieces_are_the_reply_and_the_reply_repeats(talk):
    message = "Name a colour. Grüße, 你好 ☕"
    reply = talk.reply(message)
    assert reply
    assert "".join(talk.stream(message)) == reply


def test_an_empty_or_endless_message_is_refused(talk):
    for message in ("", "  \n", "word " * 5000):
        with pytest.raises(UsageError):
            talk.reply(message)
