"""A server of a policy group, written after the description of the protocol: it registers, listens, and answers each message
with the SHA-1 of its payload, in a thread of its own. `server.py ID POLICY PROXY_PORT json|pickle`"""
import hashlib
import json
import pickle
import socket
import sys
import threading

number, policy, proxy_port, form = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
load, dump = (pickle.loads, pickle.dumps) if form == "pickle" else (
    lambda data: json.loads(data), lambda message: json.dumps(message).encode())

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(100)
with socket.create_connection(("127.0.0.1", proxy_port)) as proxy:
    proxy.sendall(dump({"type": 1, "id": number, "privPolyId": policy, "listenport": listener.getsockname()[1]}))
print("registered", file=sys.stderr, flush=True)


def answer(connection):
    with connection:
        data = connection.recv(65536)
        if not data:
            return
        message = load(data)
        digest = hashlib.sha1(message["payload"].encode()).hexdigest()
        connection.sendall(dump({"type": 2, "srcid": number, "destid": message["srcid"],
                                 "payloadsize": len(digest), "payload": digest, "extra": message.get("extra")}))


while True:
    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
