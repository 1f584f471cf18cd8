"""Checks what `palisade audit prove` wrote, by docs/audit.md alone: nothing of Palisade, the standard library only.

    python3 check.py PROOF.json [FILE]...

Says which entry was signed by which key. With files, and a proof made with `--open`, says what each is in the run.
"""
import base64, hashlib, hmac, json, sys

# Ed25519, RFC 8032 section 5.1.
P, Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    x = (a[1] - a[0]) * (b[1] - b[0]) % P
    y = (a[1] + a[0]) * (b[1] + b[0]) % P
    t, z = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = y - x, z - t, z + t, y + x
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(n, point):
    sum_ = (0, 1, 1, 0)
    while n:
        sum_, point, n = (add(sum_, point) if n & 1 else sum_), add(point, point), n >> 1
    return sum_


def point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        sys.exit("WRONG: no point of the curve")
    x = P - x if x & 1 != sign else x
    return (x, y, 1, x * y % P)


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signed(key, message, signature):
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % Q
    a, b = times(s, BASE), add(point(r), times(h, point(key)))
    return s < Q and (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


# The tree, RFC 9162 section 2.1.3.2.
def sha(data):
    return hashlib.sha256(data).digest()


def root_of(leaf, number, size, path):
    last, found = size - 1, sha(b"\0" + leaf)
    for other in path:
        if number & 1 or number == last:
            found = sha(b"\1" + other + found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = sha(b"\1" + found + other)
        number, last = number >> 1, last >> 1
    return found if last == 0 else None


def require(truth, what):
    if not truth:
        sys.exit(f"WRONG: {what}")


def shown(text):
    """A proof may come from anybody: nothing in it makes a line of its own, moves the cursor or hides."""
    return "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in str(text))


proof = json.load(open(sys.argv[1], encoding="utf-8"))
# The key: NAME+HASH+base64(1 ‖ 32 bytes).
name, key_hash, encoded = proof["key"].split("+", 2)
kind, key = base64.b64decode(encoded)[:1], base64.b64decode(encoded)[1:]
identity = sha(name.encode() + b"\n" + kind + key)[:4]
require(kind == b"\1" and len(key) == 32 and identity.hex() == key_hash, "this is no Ed25519 key")
# The checkpoint: a text, an empty line, lines of signatures.
text, lines = proof["checkpoint"].rsplit("\n\n", 1)
origin, size, root = text.split("\n")[:3]
signatures = [line.split(" ") for line in lines.splitlines()]
own = [base64.b64decode(data) for mark, who, data in signatures if (mark, who) == ("—", name)]
own = [data[4:] for data in own if data[:4] == identity]
require(own and signed(key, (text + "\n").encode(), own[0]), "the checkpoint is not signed by the key")
require(origin == name and int(size) == proof["size"], "the checkpoint is of another log")
# The entry.
leaf, path = proof["leaf"].encode(), [base64.b64decode(hash_) for hash_ in proof["path"]]
require(proof["entry"] < proof["size"], "the entry is not within the log")
require(root_of(leaf, proof["entry"], proof["size"], path) == base64.b64decode(root), "the entry is not in the log")
entry = json.loads(leaf)
told = f"entry {proof['entry']} of {size}, signed by {proof['key']}: {entry['kind']} of run {entry.get('run')}"
print(shown(told))
for file in sys.argv[2:]:
    require("files" in entry, "the entry names no files: take the proof of an entry `files_exported`")
    require("run_key" in proof, "the proof does not open the entry: `audit prove --open` makes one that does")
    run_key = bytes.fromhex(proof["run_key"])
    keyed = hmac.new(run_key, sha(open(file, "rb").read()), "sha256").hexdigest()
    what = [known["what"] for known in entry["files"] if known["keyed"] == keyed]
    require(what, f"the run did not write {file}")
    print(shown(f"{file} is its {', '.join(what)}"))
