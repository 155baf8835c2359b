"""Scripts that act as agents: they send requests to addresses in their environment and report the results.

Each line that they print is a JSON object, so that a test can look up a result by name.
"""

from tests.journeys.world import shell

# `ask` returns a status and a body, or 0 and the error.
_ASK = r"""
import base64, http.client, json, os, pathlib, socket, subprocess, sys, time
token, home = os.environ["FORGEHAND_TOKEN"], pathlib.Path.home()
def ask(method="POST", path="/anthropic/v1/messages", token=token, model="claude-x"):
    body = json.dumps({"model": model, "tools": [1], "stream": True})
    connection = http.client.HTTPConnection("127.0.0.1", 8787)
    try:
        connection.request(method, path, body, {"authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return 0, type(error).__name__
def proxy(target):
    login = base64.b64encode(f"forgehand:{token}".encode()).decode()
    head = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", f"Proxy-Authorization: Basic {login}", "", ""]
    sock = socket.create_connection(("127.0.0.1", 8787))
    sock.sendall("\r\n".join(head).encode())
    return int(sock.recv(100).split()[1])
def tell(**found):
    print(json.dumps(found), flush=True)
def wait():
    while not (home / "given").exists() or not (given := (home / "given").read_text()):
        time.sleep(0.05)
    return given
def work(name):
    pathlib.Path(name).write_text("done")
"""

LOOKS = r"""
def shown(command):
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True).stdout
def reached(host, port, kind=socket.SOCK_STREAM):
    sock = socket.socket(socket.AF_INET, kind)
    sock.settimeout(2)
    try:
        return os.strerror(sock.connect_ex((host, port)))
    except OSError as error:
        return type(error).__name__
tell(environment=dict(os.environ), everyones=shown("cat /proc/[0-9]*/environ | tr '\\0' '\\n'"))
tell(mounts=[line.split() for line in open("/proc/self/mountinfo")],
     interfaces=[line.split()[0] for line in list(open("/proc/net/dev"))[2:]],
     routes=list(open("/proc/net/route"))[1:],
     listening=[line.split()[1] for line in open("/proc/net/tcp") if line.split()[3] == "0A"],
     sockets=shown("find / -path /proc -prune -o -type s -print 2>/dev/null").split())
tell(folder=os.listdir("/run/forgehand"), writes=shown("touch /run/forgehand/x 2>&1 || true"))
tell(reached={host: reached(host, port) for host, port in ADDRESSES},
     dns=reached("1.1.1.1", 53, socket.SOCK_DGRAM))
tell(bare=ask(token="")[0], files=ask(path="/anthropic/v1/files")[0], get=ask("GET")[0],
     up=ask(path="/anthropic/v1/messages/../files")[0], nowhere=ask(path="/openai/v1/messages")[0],
     other=ask(model="other-1")[0], proxy=proxy("evil.example:443"), right=ask()[0])
work("looked")
"""

# Waits for the token of another run, and tries both tokens.
TRIES = """
tell(token=token)
tell(with_other=ask(token=wait())[0], with_own=ask()[0])
work(os.environ["FORGEHAND_RUN"])
"""

ASKS_AGAIN = """
answers = []
while not answers or "message_stop" not in answers[-1][1]:
    answers.append(ask())
tell(answers=answers)
work("asked")
"""

ASKS_ALL = """
tell(gone=ask(path="/gone/v1/messages"), answers=[ask() for _ in range(4)])
sys.exit(1)
"""

TUNNELS = """
tell(tunnels={target: proxy(target) for target in ("npm.example:443", "evil.example:443")})
work("tried")
"""

WAITS = """
tell(begun=True)
wait()
status, words = ask()
tell(answer=[status, words])
sys.exit(status != 200)
"""


def agent(script: str) -> str:
    """Return the text of a command whose agent runs this Python code."""
    return shell(f"python3 - <<'PY'\n{_ASK}{script}PY")
