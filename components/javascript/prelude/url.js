// URL and URLSearchParams. Parsing is the host crate `url`'s; these are the objects around it.
const PARTS = ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"];

const decodeForm = (part) => {
  const bytes = utf8(part.replaceAll("+", " "));
  const decoded = [];
  for (let at = 0; at < bytes.length; at++) {
    const hex = bytes[at] === 0x25 ? String.fromCharCode(bytes[at + 1], bytes[at + 2]) : "";
    if (/^[0-9a-fA-F]{2}$/.test(hex)) {
      decoded.push(parseInt(hex, 16));
      at += 2;
    } else {
      decoded.push(bytes[at]);
    }
  }
  return host.utf8Decode(new Uint8Array(decoded).buffer, 0, decoded.length, false);
};
const encodeForm = (part) =>
  encodeURIComponent(part).replace(/%20|[!'()~]/g, (found) =>
    found === "%20" ? "+" : `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  );

class URLSearchParams {
  #pairs = [];
  // Told after each change; a URL puts it there.
  #changed = () => {};

  constructor(init = "") {
    if (init === null || typeof init !== "object") {
      this.#read(text(init).replace(/^\?/, ""));
    } else if (typeof init[Symbol.iterator] === "function") {
      for (const pair of init) {
        const [name, value, ...more] = [...pair];
        if (value === undefined || more.length > 0) throw new TypeError("URLSearchParams takes pairs of a name and a value");
        this.#pairs.push([text(name), text(value)]);
      }
    } else {
      for (const name of Object.keys(init)) this.#pairs.push([text(name), text(init[name])]);
    }
  }
  #read(query) {
    this.#pairs = query
      .split("&")
      .filter((part) => part !== "")
      .map((part) => {
        const at = part.indexOf("=");
        return at < 0 ? [decodeForm(part), ""] : [decodeForm(part.slice(0, at)), decodeForm(part.slice(at + 1))];
      });
  }
  get size() {
    return this.#pairs.length;
  }
  append(name, value) {
    this.#pairs.push([text(name), text(value)]);
    this.#changed();
  }
  delete(name, value) {
    this.#pairs = this.#pairs.filter(([one, other]) => one !== text(name) || (value !== undefined && other !== text(value)));
    this.#changed();
  }
  get(name) {
    return this.#pairs.find(([one]) => one === text(name))?.[1] ?? null;
  }
  getAll(name) {
    return this.#pairs.filter(([one]) => one === text(name)).map(([, value]) => value);
  }
  has(name, value) {
    return this.#pairs.some(([one, other]) => one === text(name) && (value === undefined || other === text(value)));
  }
  set(name, value) {
    const first = this.#pairs.findIndex(([one]) => one === text(name));
    if (first < 0) {
      this.#pairs.push([text(name), text(value)]);
    } else {
      this.#pairs[first][1] = text(value);
      this.#pairs = this.#pairs.filter(([one], at) => at <= first || one !== text(name));
    }
    this.#changed();
  }
  sort() {
    this.#pairs.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
    this.#changed();
  }
  forEach(callback, self) {
    for (const [name, value] of this.#pairs) callback.call(self, value, name, this);
  }
  *keys() {
    for (const [name] of this.#pairs) yield name;
  }
  *values() {
    for (const [, value] of this.#pairs) yield value;
  }
  *entries() {
    for (const [name, value] of this.#pairs) yield [name, value];
  }
  toString() {
    return this.#pairs.map(([name, value]) => `${encodeForm(name)}=${encodeForm(value)}`).join("&");
  }
  static [PRIVATE](params, changed, query) {
    if (changed) params.#changed = changed;
    params.#read(query);
  }
}
URLSearchParams.prototype[Symbol.iterator] = URLSearchParams.prototype.entries;
Object.defineProperty(URLSearchParams.prototype, Symbol.iterator, { enumerable: false });
const linkParams = URLSearchParams[PRIVATE];
delete URLSearchParams[PRIVATE];

class URL {
  #parts;
  #params;

  constructor(url, base) {
    this.#parts = host.urlParse(text(url), base === undefined ? null : text(base));
    if (this.#parts === null) {
      throw new TypeError(`Invalid URL: ${text(url)}${base === undefined ? "" : ` (base ${text(base)})`}`);
    }
  }
  static canParse(url, base) {
    return host.urlParse(text(url), base === undefined ? null : text(base)) !== null;
  }
  static parse(url, base) {
    return URL.canParse(url, base) ? new URL(url, base) : null;
  }
  get searchParams() {
    if (this.#params === undefined) {
      this.#params = new URLSearchParams();
      linkParams(this.#params, () => this.#set("search", this.#params.toString(), false), this.#query());
    }
    return this.#params;
  }
  #query() {
    return this.#parts[PARTS.indexOf("search")].slice(1);
  }
  #set(part, value, tell = true) {
    const changed = host.urlSet(this.#parts[0], part, text(value));
    if (changed !== null) this.#parts = changed;
    if (tell && this.#params !== undefined) linkParams(this.#params, undefined, this.#query());
    return changed !== null;
  }
  toString() {
    return this.#parts[0];
  }
  toJSON() {
    return this.#parts[0];
  }
  static [PRIVATE](part, at) {
    return {
      enumerable: true,
      configurable: true,
      get() {
        return this.#parts[at];
      },
      set:
        part === "origin"
          ? undefined
          : function (value) {
              if (!this.#set(part, value) && part === "href") throw new TypeError(`Invalid URL: ${text(value)}`);
            },
    };
  }
}
PARTS.forEach((part, at) => Object.defineProperty(URL.prototype, part, URL[PRIVATE](part, at)));
delete URL[PRIVATE];

for (const one of [URL, URLSearchParams]) tag(one);
define({ URL, URLSearchParams });
