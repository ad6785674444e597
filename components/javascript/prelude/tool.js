// What a tool has beside the standards of the web (secrets, log, progress), and its exceptions as the
// author should read them.
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
