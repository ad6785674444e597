// Pieces of content: what MCP can say beside JSON. A piece is made by ctx and is what it was made as.
let recordOf;

class Content {
  #record;
  constructor(record) {
    this.#record = record;
    Object.freeze(this);
  }
  get type() {
    return this.#record.type;
  }
  static {
    // Undefined for everything that is no piece.
    recordOf = (value) => (typeof value === "object" && value !== null && #record in value ? value.#record : undefined);
  }
}

// Content and a value beside it, as ctx.result makes it.
let resultOf;

class Result {
  #made;
  constructor(made) {
    this.#made = made;
    Object.freeze(this);
  }
  static {
    resultOf = (value) => (typeof value === "object" && value !== null && #made in value ? value.#made : undefined);
  }
}

const HINTS = ["audience", "priority", "lastModified"];
const ROLES = ["user", "assistant"];
const DATE = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/;

const onlyKnown = (maker, options, known) => {
  if (typeof options !== "object" || options === null) throw new TypeError(`${maker} takes its options as an object, such as { priority: 1 }`);
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new TypeError(`${maker} knows no ${quote(name)}; there are ${known.join(", ")}`);
  }
};

const wantString = (maker, name, value) => {
  if (typeof value !== "string") throw new TypeError(`${maker} takes a string as its ${name}, not ${show(value, 1)}`);
  return text(value);
};
const maybeString = (maker, name, value) => (value === undefined || value === null ? null : wantString(maker, name, value));

// MCP's annotations; null when nothing is said.
const annotationsOf = (maker, { audience, priority, lastModified }) => {
  const said = [audience, priority, lastModified].some((one) => one !== undefined && one !== null);
  if (!said) return null;
  const list = audience === undefined || audience === null ? [] : isArray(audience) ? [...audience] : [audience];
  if (!list.every((role) => ROLES.includes(role))) throw new TypeError(`${maker}: audience is "user", "assistant" or both in an array`);
  const weight = priority ?? null;
  if (weight !== null && !(typeof weight === "number" && weight >= 0 && weight <= 1)) {
    throw new TypeError(`${maker}: priority is a number from 0 to 1`);
  }
  const at = lastModified instanceof Date ? lastModified.toISOString() : (lastModified ?? null);
  if (at !== null && !(typeof at === "string" && DATE.test(at))) {
    throw new TypeError(`${maker}: lastModified is a Date, or its ISO text such as "2026-01-31T12:00:00Z"`);
  }
  return { audience: list, priority: weight, lastModified: at };
};

// A copy of bytes, which are given as they are or as base64.
const copyOf = (maker, value) => {
  const bytes = bytesOf(value);
  if (bytes !== undefined) return bytes.slice().buffer;
  const decoded = typeof value === "string" ? host.base64Decode(text(value).replace(/[\t\n\f\r ]+/g, "")) : null;
  if (decoded === null) throw new TypeError(`${maker} takes bytes (Uint8Array, ArrayBuffer) or base64, not ${show(value, 0)}`);
  return decoded;
};

const begins = (bytes, at, letters) => {
  for (let offset = 0; offset < letters.length; offset++) {
    if (bytes[at + offset] !== letters.charCodeAt(offset)) return false;
  }
  return true;
};

const sniffImage = (bytes) => {
  if (begins(bytes, 0, "\x89PNG\r\n\x1a\n")) return "image/png";
  if (begins(bytes, 0, "\xff\xd8\xff")) return "image/jpeg";
  if (begins(bytes, 0, "GIF87a") || begins(bytes, 0, "GIF89a")) return "image/gif";
  if (begins(bytes, 0, "RIFF") && begins(bytes, 8, "WEBP")) return "image/webp";
  return undefined;
};

const sniffAudio = (bytes) => {
  if (begins(bytes, 0, "RIFF") && begins(bytes, 8, "WAVE")) return "audio/wav";
  if (begins(bytes, 0, "ID3") || (bytes[0] === 0xff && (bytes[1] & 0xe6) === 0xe2)) return "audio/mpeg";
  if (begins(bytes, 0, "OggS")) return "audio/ogg";
  if (begins(bytes, 0, "fLaC")) return "audio/flac";
  return undefined;
};

const blob = (type, sniff) => {
  const maker = `ctx.${type}`;
  return (data, mimeType, hints = {}) => {
    onlyKnown(maker, hints, HINTS);
    const bytes = copyOf(maker, data);
    const mime = maybeString(maker, "MIME type", mimeType) ?? sniff(new Uint8Array(bytes));
    if (mime === undefined) throw new TypeError(`${maker} does not know these bytes; give their MIME type, such as ctx.${type}(data, "${type}/…")`);
    return new Content({ type, data: bytes, mimeType: mime, annotations: annotationsOf(maker, hints) });
  };
};

const pieces = {
  text(string, hints = {}) {
    onlyKnown("ctx.text", hints, HINTS);
    return new Content({ type: "text", text: wantString("ctx.text", "text", string), annotations: annotationsOf("ctx.text", hints) });
  },
  image: blob("image", sniffImage),
  audio: blob("audio", sniffAudio),
  link(uri, name, options = {}) {
    const maker = "ctx.link";
    onlyKnown(maker, options, ["title", "description", "mimeType", "size", ...HINTS]);
    const { title, description, mimeType } = options;
    const size = options.size ?? null;
    if (size !== null && !(Number.isSafeInteger(size) && size >= 0)) throw new TypeError("ctx.link: size is a whole number of bytes");
    return new Content({
      type: "resource_link",
      uri: wantString(maker, "URI", uri),
      name: wantString(maker, "name", name),
      title: maybeString(maker, "title", title),
      description: maybeString(maker, "description", description),
      mimeType: maybeString(maker, "mimeType", mimeType),
      size,
      annotations: annotationsOf(maker, options),
    });
  },
  resource(uri, body, mimeType, hints = {}) {
    const maker = "ctx.resource";
    onlyKnown(maker, hints, HINTS);
    const bytes = bytesOf(body);
    return new Content({
      type: "resource",
      uri: wantString(maker, "URI", uri),
      text: bytes === undefined ? wantString(maker, "text (or bytes)", body) : null,
      data: bytes === undefined ? null : bytes.slice().buffer,
      mimeType: maybeString(maker, "MIME type", mimeType),
      annotations: annotationsOf(maker, hints),
    });
  },
  result(content, structured) {
    const list = isArray(content) ? content : [content];
    return new Result({ pieces: list.map(pieceOf), structured });
  },
};

// One of the pieces of a result: what is none becomes a text.
const pieceOf = (value) =>
  recordOf(value) ?? { type: "text", text: typeof value === "string" ? text(value) : encode(value), annotations: null };

// What main returned, as pieces and what is structured; undefined when there is no piece in it.
const contentOf = (value) => {
  const made = resultOf(value);
  if (made !== undefined) return made;
  if (recordOf(value) !== undefined) return { pieces: [recordOf(value)], structured: undefined };
  if (!isArray(value)) return undefined;
  // By a loop: a tool may have broken the methods of arrays, and most results have no piece.
  for (let at = 0; at < value.length; at++) {
    if (recordOf(value[at]) !== undefined) return { pieces: value.map(pieceOf), structured: undefined };
  }
  return undefined;
};

for (const one of [Content, Result]) tag(one);
