"""A client of a policy group, written after the description of the protocol: it sends messages in every spelling, and demands
the SHA-1 of each payload in the same spelling. `client.py PROXY_PORT`"""
import hashlib
import json
import pickle
import socket
import sys

proxy_port = int(sys.argv[1])
sha1 = lambda text: hashlib.sha1(text.encode()).hexdigest()


def whole(connection, load):
    data = b""
    while True:
        piece = connection.recv(4096)
        assert piece, ("the connection ended", data)
        data += piece
        try:
            return load(data)
        except (ValueError, EOFError, pickle.UnpicklingError):
            pass


def check(message, load, dump, pieces=1):
    with socket.create_connection(("127.0.0.1", proxy_port), timeout=30) as connection:
        data = dump(message)
        size = max(1, len(data) // pieces)
        for begin in range(0, len(data), size):
            connection.sendall(data[begin:begin + size])
        answer = whole(connection, load)
        assert str(answer["type"]) == "2", answer
        assert answer["payload"] == sha1(message["payload"]), answer
        assert str(answer["destid"]) == str(message["srcid"]), answer
        return answer


to_json = lambda message: json.dumps(message).encode()
plain = {"type": 0, "srcid": 1, "privPoliId": 111, "payloadsize": 4, "payload": "xyz1"}
for number in (0, "0"):
    for name in ("privPoliId", "privPolyId"):
        for policy in (111, "111"):
            for source in (1, "1"):
                message = {"type": number, "srcid": source, name: policy, "payload": "xyz1"}
                check(message, json.loads, to_json, pieces=7)
                for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                    check(message, pickle.loads, lambda message: pickle.dumps(message, protocol))
# Members that nobody knows arrive, and come back, through both forms.
extra = {"list": [1, 2.5, None, True], "text": "é€🦀", "big": 2**70}
for _ in range(4):
    assert check({**plain, "extra": extra}, json.loads, to_json)["extra"] == extra
    assert check({**plain, "extra": extra}, pickle.loads, pickle.dumps)["extra"] == extra
# The longest payload: 1024 characters, whatever bytes they are.
for payload in ("x" * 1024, "🦀" * 1024, "\"" * 1024, ""):
    check({**plain, "payload": payload}, json.loads, to_json)
    check({**plain, "payload": payload}, json.loads, lambda m: json.dumps(m, ensure_ascii=False).encode())
    check({**plain, "payload": payload}, pickle.loads, pickle.dumps)
for payload in ("x" * 1025, "🦀" * 1025):
    for load, dump in ((json.loads, to_json), (pickle.loads, pickle.dumps)):
        with socket.create_connection(("127.0.0.1", proxy_port), timeout=30) as connection:
            connection.sendall(dump({**plain, "payload": payload}))
            answer = whole(connection, load)
            assert answer["type"] == -1 and "1025" in answer["reason"], answer
# One connection for many messages, and many messages at once.
with socket.create_connection(("127.0.0.1", proxy_port), timeout=30) as connection:
    for count in range(20):
        connection.sendall(to_json({**plain, "srcid": count, "payload": str(count)}))
        answer = whole(connection, json.loads)
        assert answer["payload"] == sha1(str(count)) and answer["destid"] == count, answer
    connection.sendall(b"\n".join(to_json({**plain, "srcid": count}) for count in range(20)))
    data = b""
    while data.count(b"}") < 20:
        data += connection.recv(4096)
    decoder, text, seen = json.JSONDecoder(), data.decode(), []
    while text.strip():
        answer, end = decoder.raw_decode(text.strip())
        seen.append(answer["destid"])
        text = text.strip()[end:]
    assert seen == list(range(20)), seen


class Hostile:
    """Loaded, it would write a file."""

    def __reduce__(self):
        return (open, (sys.argv[2], "w"))


for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
    with socket.create_connection(("127.0.0.1", proxy_port), timeout=30) as connection:
        connection.sendall(pickle.dumps({**plain, "extra": Hostile()}, protocol))
        answer = whole(connection, pickle.loads)
        assert answer["type"] == -1 and "GLOBAL" in answer["reason"], answer
        assert connection.recv(10) == b"", "the rest can't be understood"
# Nobody is there for another policy.
with socket.create_connection(("127.0.0.1", proxy_port), timeout=30) as connection:
    connection.sendall(to_json({**plain, "privPoliId": 999}))
    answer = whole(connection, json.loads)
    assert answer["type"] == -1 and "999" in answer["reason"], answer
print("all is well")
