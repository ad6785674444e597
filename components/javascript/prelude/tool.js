// What a tool has beside the standards of the web (secrets, log, progress), its exceptions as the
// author should read them, and its result as JSON.
const TOOL = "<tool>";

// The frames of a stack that are the author's, innermost first.
const authorsFrames = (stack) => `${stack ?? ""}`.split("\n").filter((frame) => /^ *at .*<tool>:\d+/.test(frame));

// Of an exception: without the constructors of its own classes, which say only where those are written.
const framesOf = (error) => {
  const frames = authorsFrames(error?.stack);
  const classes = [];
  for (let one = error?.constructor; typeof one === "function" && one !== Error; one = Object.getPrototypeOf(one)) classes.push(one.name);
  const first = frames.findIndex((frame) => !classes.some((name) => name !== "" && frame.trimStart().startsWith(`at ${name} (`)));
  return first < 0 ? frames : frames.slice(first);
};

const kindOf = (error) => {
  const { name } = error;
  const own = error.constructor?.name;
  return typeof name === "string" && name !== "" && name !== "Error" ? name : typeof own === "string" && own !== "" ? own : "Error";
};
const messageOf = (error) => {
  const message = `${error.message ?? ""}`;
  const inner = error instanceof AggregateError && Array.isArray(error.errors) ? error.errors.slice(0, 10).map(headline).join("; ") : "";
  return inner === "" ? message : message === "" ? inner : `${message}: ${inner}`;
};
const headline = (error) => {
  if (!(error instanceof Error)) return `a thrown ${error === null ? "null" : typeof error}: ${typeof error === "string" ? error : show(error, 1)}`;
  const message = messageOf(error);
  return message === "" ? kindOf(error) : `${kindOf(error)}: ${message}`;
};

const CAUSES = 8;
const showError = (error) => {
  const lines = [headline(error), ...framesOf(error)];
  for (let cause = error?.cause, depth = 0; cause !== undefined && cause !== null && depth < CAUSES; cause = cause.cause, depth++) {
    lines.push(`Caused by: ${headline(cause)}`, ...framesOf(cause));
  }
  return lines.join("\n");
};

const MESSAGE = 4000;
const TRACEBACK = 20000;
// [kind, message, line or 0, traceback] for the host.
const describeError = (error) => {
  let described;
  try {
    const isError = error instanceof Error;
    const line = isError ? Number(/<tool>:(\d+)/.exec(framesOf(error)[0])?.[1] ?? 0) : 0;
    described = [isError ? kindOf(error) : "Thrown", isError ? messageOf(error) : headline(error), line, showError(error)];
  } catch {
    described = ["Error", "an exception that cannot be shown", 0, "an exception that cannot be shown"];
  }
  const [kind, message, line, traceback] = described;
  return [text(kind).slice(0, 200), text(message.slice(0, MESSAGE)), line, text(traceback.slice(0, TRACEBACK))];
};

class MissingSecret extends Error {
  name = "MissingSecret";
}
const secretNames = () => host.secretNames();
const secrets = new Proxy(Object.create(null), {
  get(_, name) {
    // What JSON.stringify, await and the like look for is no secret.
    if (typeof name === "symbol" || name === "toJSON" || name === "then") return undefined;
    const value = host.secretGet(text(name));
    if (value !== null) return value;
    throw new MissingSecret(`the secret ${name} has no value; a person must set it for this tool's server`);
  },
  has: (_, name) => typeof name === "string" && secretNames().includes(name),
  ownKeys: () => secretNames(),
  getOwnPropertyDescriptor: (_, name) =>
    typeof name === "string" && secretNames().includes(name)
      ? { value: host.secretGet(name), enumerable: true, configurable: true, writable: false }
      : undefined,
  set(_, name) {
    throw new TypeError(`secrets can only be read; ${String(name)} cannot be set`);
  },
  defineProperty(_, name) {
    throw new TypeError(`secrets can only be read; ${String(name)} cannot be set`);
  },
  deleteProperty(_, name) {
    throw new TypeError(`secrets can only be read; ${String(name)} cannot be deleted`);
  },
});

const emit = (level) => (...values) => host.log(level, wellFormed(format(values)));
const log = Object.freeze({ debug: emit(0), info: emit(1), warning: emit(2), warn: emit(2), error: emit(3) });

function progress(done, total = null, message = null) {
  host.progress(Number(done), total === null ? null : Number(total), message === null ? null : text(message));
}

define({ secrets, log, progress });

// --- the result ---

const bad = (what, place) => new TypeError(`main returned ${what}${place === "" ? "" : ` (at ${place})`}`);
const step = (key, inArray) => (inArray ? `[${key}]` : /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${quote(key)}]`);

// JSON of what main returned. Beside what JSON has: Map is an object, Set an array, bytes are base64,
// a bigint is a number if that is exact and text otherwise. What JSON cannot say is refused with its place.
const encode = (value) => {
  const path = [];
  // By loops alone: a tool may have broken the methods of arrays.
  const climb = (holder) => {
    while (path.length > 0 && path[path.length - 1].made !== holder) path.length--;
  };
  const place = (holder, key) => {
    climb(holder);
    let text = "";
    for (let at = 1; at < path.length; at++) text += step(path[at].key, isArray(path[at - 1].made));
    return path.length === 0 ? text : text + step(key, isArray(holder));
  };
  // Its `this` is what holds the value; JSON goes through values depth first.
  const replacer = function (key, one) {
    switch (typeof one) {
      case "string":
      case "boolean":
      case "undefined":
        return one;
      case "number":
        if (Number.isFinite(one)) return one;
        throw bad(`${one}, and JSON has no such number; return null or a string instead`, place(this, key));
      case "bigint":
        return one >= Number.MIN_SAFE_INTEGER && one <= Number.MAX_SAFE_INTEGER ? Number(one) : `${one}`;
      case "function":
        throw bad(`the function ${one.name || "(without a name)"}, which is not JSON; did you mean to call it?`, place(this, key));
      case "symbol":
        throw bad(`${String(one)}, which is not JSON`, place(this, key));
      default:
        break;
    }
    if (one === null) return null;
    let made = one;
    if (one instanceof Map) made = Object.fromEntries(one);
    else if (one instanceof Set) made = [...one];
    else if (bytesOf(one) !== undefined) {
      const bytes = bytesOf(one);
      return host.base64Encode(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    } else if (one instanceof Promise) throw bad("a Promise, which is not JSON; `await` it first", place(this, key));
    else if (one instanceof Response) throw bad("a Response, which is not JSON; return await response.json() or response.text()", place(this, key));
    else if (one instanceof Error) throw bad(`an Error (${headline(one)}), which is not JSON; throw it instead`, place(this, key));
    climb(this);
    for (let above = 0; above < path.length; above++) {
      if (path[above].value === one) throw bad("a value that contains itself; JSON cannot", place(this, key));
    }
    path[path.length] = { made, value: one, key };
    return made;
  };
  const json = stringify(value === undefined ? null : value, replacer) ?? "null";
  // Only lone surrogates are written as \ud8.. to \udf..; they are no text anywhere else.
  return json.includes("\\ud") ? json.replace(/\\(?:u(d[89a-f][0-9a-f]{2})|.)/g, (found, lone) => (lone ? "\\ufffd" : found)) : json;
};

// Rejections that nobody has handled so far; what is left when main is done is told on stderr.
const unhandled = new Map();
const rejected = (promise, reason, handled) => {
  if (handled) unhandled.delete(promise);
  else unhandled.set(promise, reason);
};
const tellUnhandled = () => {
  for (const reason of unhandled.values()) print(true, `Unhandled rejection: ${showError(reason)}`);
  unhandled.clear();
};

// Begins work (a promise, or a function to call) and notes how it ended.
const begin = (work) => {
  const state = { done: false, failed: false, value: undefined };
  (async () => (typeof work === "function" ? work() : work))().then(
    (value) => {
      state.done = true;
      state.value = value;
    },
    (error) => {
      state.done = state.failed = true;
      state.value = error;
    },
  );
  return state;
};

return {
  turn,
  encode,
  describeError,
  rejected,
  tellUnhandled,
  awaitModule: (promise) => begin(promise),
  call: (main, json) => begin(() => main(parse(json))),
  fault: () => (fault.happened ? [fault.error] : null),
};
