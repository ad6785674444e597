// TextEncoder, TextDecoder, atob, btoa.
class TextEncoder {
  get encoding() {
    return "utf-8";
  }
  encode(string = "") {
    return utf8(string);
  }
  encodeInto(string, target) {
    let read = 0;
    let written = 0;
    for (const character of text(string)) {
      const bytes = utf8(character);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      written += bytes.length;
      read += character.length;
    }
    return { read, written };
  }
}

const UTF8_LABELS = ["utf-8", "utf8", "unicode-1-1-utf-8"];
const LATIN1_LABELS = ["iso-8859-1", "latin1", "ascii", "us-ascii"];

class TextDecoder {
  #encoding = "utf-8";
  #fatal;
  #ignoreBOM;
  #kept = new Uint8Array(0);

  constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    const name = `${label}`.trim().toLowerCase();
    if (LATIN1_LABELS.includes(name)) this.#encoding = "iso-8859-1";
    else if (!UTF8_LABELS.includes(name)) throw new RangeError(`TextDecoder knows utf-8 and iso-8859-1, not ${label}`);
    this.#fatal = Boolean(fatal);
    this.#ignoreBOM = Boolean(ignoreBOM);
  }
  get encoding() {
    return this.#encoding;
  }
  get fatal() {
    return this.#fatal;
  }
  get ignoreBOM() {
    return this.#ignoreBOM;
  }
  decode(input = new Uint8Array(0), { stream = false } = {}) {
    let bytes = bytesOf(input);
    if (bytes === undefined) throw new TypeError("TextDecoder.decode takes an ArrayBuffer or a typed array");
    if (this.#encoding === "iso-8859-1") return host.latin1Decode(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#kept.length > 0) {
      const joined = new Uint8Array(this.#kept.length + bytes.length);
      joined.set(this.#kept);
      joined.set(bytes, this.#kept.length);
      bytes = joined;
    }
    const end = stream ? bytes.length - unfinished(bytes) : bytes.length;
    this.#kept = bytes.slice(end);
    const decoded = host.utf8Decode(bytes.buffer, bytes.byteOffset, end, this.#fatal);
    if (decoded === null) throw new TypeError("the data is not valid UTF-8");
    return !this.#ignoreBOM && decoded.startsWith("\ufeff") ? decoded.slice(1) : decoded;
  }
}

// How many bytes at the end begin a character that is not there yet.
const unfinished = (bytes) => {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
  }
  return 0;
};

const invalid = (message) => new DOMException(message, "InvalidCharacterError");

function btoa(data) {
  const string = `${data}`;
  const bytes = new Uint8Array(string.length);
  for (let at = 0; at < string.length; at++) {
    const unit = string.charCodeAt(at);
    if (unit > 255) throw invalid("btoa takes characters up to U+00FF; encode text with TextEncoder first");
    bytes[at] = unit;
  }
  return host.base64Encode(bytes.buffer, 0, bytes.length);
}
function atob(data) {
  const bytes = host.base64Decode(text(data).replace(/[\t\n\f\r ]+/g, ""));
  if (bytes === null) throw invalid("atob was given text that is not base64");
  return host.latin1Decode(bytes, 0, bytes.byteLength);
}

for (const one of [TextEncoder, TextDecoder]) tag(one);
define({ TextEncoder, TextDecoder, atob, btoa });
