// crypto: random values, digests, and HMAC, which signs what many services want signed.
const DIGESTS = ["SHA-1", "SHA-256", "SHA-384", "SHA-512"];
const RANDOM_BYTES = 65536;

const refuse = (message) => new DOMException(message, "NotSupportedError");
const digestName = (algorithm) => {
  const name = `${typeof algorithm === "object" && algorithm !== null ? algorithm.name : algorithm}`.toUpperCase();
  if (!DIGESTS.includes(name)) throw refuse(`crypto.subtle knows ${DIGESTS.join(", ")}, not ${name}`);
  return name;
};
const dataOf = (value) => {
  const bytes = bytesOf(value);
  if (bytes === undefined) throw new TypeError("crypto.subtle takes bytes; encode text with new TextEncoder().encode(…)");
  return bytes;
};
const isHmac = (algorithm) => `${algorithm?.name ?? algorithm}`.toUpperCase() === "HMAC";

class CryptoKey {
  #bytes;
  constructor(key, bytes, hash, extractable, usages) {
    if (key !== PRIVATE) throw new TypeError("Illegal constructor: use crypto.subtle.importKey");
    this.#bytes = bytes;
    this.type = "secret";
    this.extractable = extractable;
    this.algorithm = Object.freeze({ name: "HMAC", hash: Object.freeze({ name: hash }), length: bytes.length * 8 });
    this.usages = Object.freeze([...usages]);
    Object.freeze(this);
  }
  static [PRIVATE](key) {
    return key.#bytes;
  }
}
const keyBytes = CryptoKey[PRIVATE];
delete CryptoKey[PRIVATE];

const hmac = (key, usage, data) => {
  if (!(key instanceof CryptoKey) || !key.usages.includes(usage)) {
    throw new DOMException(`the key may not be used to ${usage}`, "InvalidAccessError");
  }
  const secret = keyBytes(key);
  const bytes = dataOf(data);
  return host.hmac(key.algorithm.hash.name, secret.buffer, bytes.buffer, bytes.byteOffset, bytes.byteLength);
};

const subtle = {
  async digest(algorithm, data) {
    const bytes = dataOf(data);
    return host.digest(digestName(algorithm), bytes.buffer, bytes.byteOffset, bytes.byteLength);
  },
  async importKey(format, key, algorithm, extractable, usages) {
    if (format !== "raw" || !isHmac(algorithm)) throw refuse("crypto.subtle imports raw keys for HMAC, and no others");
    return new CryptoKey(PRIVATE, dataOf(key).slice(), digestName(algorithm.hash), Boolean(extractable), usages);
  },
  async sign(algorithm, key, data) {
    if (!isHmac(algorithm)) throw refuse("crypto.subtle signs with HMAC, and nothing else");
    return hmac(key, "sign", data);
  },
  async verify(algorithm, key, signature, data) {
    if (!isHmac(algorithm)) throw refuse("crypto.subtle verifies HMAC, and nothing else");
    const right = new Uint8Array(hmac(key, "verify", data));
    const given = dataOf(signature);
    let different = right.length ^ given.length;
    for (let at = 0; at < right.length; at++) different |= right[at] ^ given[at];
    return different === 0;
  },
};

const INTEGERS = [
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array,
];
const crypto = {
  subtle,
  getRandomValues(array) {
    if (!INTEGERS.some((one) => array instanceof one)) {
      throw new DOMException("getRandomValues takes a typed array of integers", "TypeMismatchError");
    }
    if (array.byteLength > RANDOM_BYTES) {
      throw new DOMException(`getRandomValues gives ${RANDOM_BYTES} bytes in one go`, "QuotaExceededError");
    }
    bytesOf(array).set(new Uint8Array(host.random(array.byteLength)));
    return array;
  },
  randomUUID() {
    const bytes = new Uint8Array(host.random(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  },
};
Object.defineProperty(crypto, Symbol.toStringTag, { value: "Crypto" });
Object.defineProperty(subtle, Symbol.toStringTag, { value: "SubtleCrypto" });

tag(CryptoKey);
define({ crypto, CryptoKey });
