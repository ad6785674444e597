"""A baseline: a warm Python process that runs the source of a tool anew for each request.

No isolation, no bounds, no approval, no log: what is left when only speed is wanted of Python. Prints
its address, then serves until it is killed. `baseline_server.py TOOL.py`
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

with open(sys.argv[1], encoding="utf-8") as file:
    CODE = compile(file.read(), "tool.py", "exec")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # One packet for one answer.

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        scope = {"__name__": "tool"}
        exec(CODE, scope)
        value = scope["main"](**request["params"]["arguments"])
        result = {"content": [{"type": "text", "text": json.dumps(value)}], "isError": False}
        answer = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}, separators=(",", ":")).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True


server = Server(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
