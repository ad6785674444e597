// fetch, Headers, Request, Response, on the host's start, wait and take.
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

class Headers {
  #pairs = new Map();

  constructor(init) {
    if (init === undefined || init === null) return;
    if (typeof init !== "object") throw new TypeError("headers must be an object, pairs or Headers");
    const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
    for (const [name, value] of pairs) this.append(name, value);
  }
  #name(name) {
    if (!TOKEN.test(`${name}`)) throw new TypeError(`${quote(`${name}`)} is not a valid name of a header`);
    return `${name}`.toLowerCase();
  }
  #value(value) {
    const trimmed = text(value).replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");
    if (/[\0\n\r]/.test(trimmed)) throw new TypeError("the value of a header has no line ends");
    return trimmed;
  }
  append(name, value) {
    const key = this.#name(name);
    const had = this.#pairs.get(key);
    this.#pairs.set(key, had === undefined ? [this.#value(value)] : [...had, this.#value(value)]);
  }
  set(name, value) {
    this.#pairs.set(this.#name(name), [this.#value(value)]);
  }
  get(name) {
    return this.#pairs.get(this.#name(name))?.join(", ") ?? null;
  }
  getSetCookie() {
    return [...(this.#pairs.get("set-cookie") ?? [])];
  }
  has(name) {
    return this.#pairs.has(this.#name(name));
  }
  delete(name) {
    this.#pairs.delete(this.#name(name));
  }
  forEach(callback, self) {
    for (const [name, value] of this) callback.call(self, value, name, this);
  }
  *entries() {
    for (const name of [...this.#pairs.keys()].sort()) {
      if (name === "set-cookie") for (const value of this.getSetCookie()) yield [name, value];
      else yield [name, this.get(name)];
    }
  }
  *keys() {
    for (const [name] of this) yield name;
  }
  *values() {
    for (const [, value] of this) yield value;
  }
}
Object.defineProperty(Headers.prototype, Symbol.iterator, { value: Headers.prototype.entries, writable: true, configurable: true });

// A body as bytes (or null) and the content type that goes with it.
const bodyOf = (body) => {
  if (body === undefined || body === null) return [null, null];
  if (typeof body === "string") return [utf8(body), "text/plain;charset=UTF-8"];
  if (body instanceof URLSearchParams) return [utf8(body.toString()), "application/x-www-form-urlencoded;charset=UTF-8"];
  const bytes = bytesOf(body);
  if (bytes !== undefined) return [bytes.slice(), null];
  throw new TypeError(`a body is a string, URLSearchParams or bytes, not ${show(body, 0)}; send JSON as JSON.stringify(…)`);
};

class Body {
  #bytes;
  #used = false;
  constructor(bytes) {
    this.#bytes = bytes;
  }
  get bodyUsed() {
    return this.#used;
  }
  #take() {
    if (this.#used) throw new TypeError("the body has already been read; use clone() to read it twice");
    this.#used = this.#bytes !== null;
    return this.#bytes ?? new Uint8Array(0);
  }
  async arrayBuffer() {
    const bytes = this.#take();
    return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
  }
  async bytes() {
    return this.#take();
  }
  async text() {
    return new TextDecoder().decode(this.#take());
  }
  async json() {
    return parse(await this.text());
  }
  static [PRIVATE](body) {
    if (body.#used) throw new TypeError("the body has already been read");
    return body.#bytes;
  }
}
const bytesInside = Body[PRIVATE];
delete Body[PRIVATE];

const METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"];

class Request extends Body {
  constructor(input, init = {}) {
    const from = input instanceof Request ? input : undefined;
    const [bytes, type] = init.body === undefined && from ? [bytesInside(from), null] : bodyOf(init.body);
    super(bytes);
    const method = `${init.method ?? from?.method ?? "GET"}`;
    if (!TOKEN.test(method)) throw new TypeError(`${quote(method)} is not a valid method`);
    this.method = METHODS.includes(method.toUpperCase()) ? method.toUpperCase() : method;
    if (bytes !== null && (this.method === "GET" || this.method === "HEAD")) {
      throw new TypeError(`a ${this.method} request has no body`);
    }
    this.url = from ? from.url : new URL(input).href;
    this.headers = new Headers(init.headers ?? from?.headers);
    if (type !== null && !this.headers.has("content-type")) this.headers.set("content-type", type);
    this.redirect = `${init.redirect ?? from?.redirect ?? "follow"}`;
    if (!["follow", "manual", "error"].includes(this.redirect)) {
      throw new TypeError(`redirect is "follow", "manual" or "error", not ${quote(this.redirect)}`);
    }
    this.signal = init.signal ?? from?.signal ?? null;
  }
  clone() {
    return new Request(this);
  }
}

const NO_BODY = [101, 103, 204, 205, 304];

class Response extends Body {
  constructor(body = null, { status = 200, statusText = "", headers } = {}) {
    const [bytes, type] = bodyOf(body);
    if (bytes !== null && NO_BODY.includes(status)) throw new TypeError(`a response with status ${status} has no body`);
    super(bytes);
    this.status = status;
    this.statusText = statusText;
    this.headers = new Headers(headers);
    if (type !== null && !this.headers.has("content-type")) this.headers.set("content-type", type);
    this.url = "";
    this.redirected = false;
    this.type = "default";
  }
  get ok() {
    return this.status >= 200 && this.status <= 299;
  }
  clone() {
    return Object.assign(new Response(bytesInside(this), this), { url: this.url, redirected: this.redirected, type: this.type });
  }
  static json(value, init = {}) {
    const headers = new Headers(init.headers);
    if (!headers.has("content-type")) headers.set("content-type", "application/json");
    return new Response(stringify(value), { ...init, headers });
  }
  static error() {
    return Object.assign(new Response(), { status: 0, type: "error" });
  }
}

const failed = ([code, message]) => Object.assign(new TypeError(`fetch failed: ${message}`), { code });

// One request, no redirects: the host's answer, or an exception.
const send = (method, url, headers, bytes, signal) =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const started = host.httpStart(method, url, [...headers], bytes === null ? null : bytes.slice().buffer);
    if (typeof started !== "number") return reject(failed(started));
    const stop = () => {
      if (requests.delete(started)) host.cancel(started);
      reject(signal.reason);
    };
    signal?.addEventListener("abort", stop, { once: true });
    requests.set(started, (answer) => {
      signal?.removeEventListener("abort", stop);
      if (Array.isArray(answer)) reject(failed(answer));
      else resolve(answer);
    });
  });

const REDIRECTS = 20;

async function fetch(input, init) {
  // The stack of an error is made where it is made; a failed request should name the line that asked.
  const asked = new Error();
  try {
    const request = new Request(input, init);
    const { signal, redirect } = request;
    let { method, url, headers } = request;
    let bytes = bytesInside(request);
    for (let hop = 0; ; hop++) {
      const answer = await send(method, url, headers, bytes, signal);
      const location = answer.headers.find(([name]) => name.toLowerCase() === "location")?.[1];
      const redirects = [301, 302, 303, 307, 308].includes(answer.status) && location !== undefined;
      if (!redirects || redirect === "manual") {
        const response = new Response(null, { status: answer.status, headers: answer.headers });
        const filled = answer.body.byteLength === 0 ? response : Object.assign(new Response(answer.body), response);
        return Object.assign(filled, { url, redirected: hop > 0, type: "basic" });
      }
      if (redirect === "error") throw failed(["redirected", `${url} answered with a redirect to ${location}`]);
      if (hop === REDIRECTS) throw failed(["redirected", `more than ${REDIRECTS} redirects`]);
      const next = new URL(location, url);
      // As the fetch standard has it: what a form would do, and no credentials to another place.
      if ((answer.status === 303 && method !== "HEAD") || (answer.status < 303 && method === "POST")) {
        method = method === "HEAD" ? "HEAD" : "GET";
        bytes = null;
        headers = new Headers(headers);
        for (const name of ["content-encoding", "content-language", "content-location", "content-type"]) headers.delete(name);
      }
      if (next.origin !== new URL(url).origin) {
        headers = new Headers(headers);
        for (const name of ["authorization", "cookie", "proxy-authorization"]) headers.delete(name);
      }
      url = next.href;
    }
  } catch (error) {
    if (error instanceof Error && authorsFrames(error.stack).length === 0) error.stack = asked.stack;
    throw error;
  }
}

for (const one of [Headers, Request, Response]) tag(one);
define({ Headers, Request, Response, fetch });
