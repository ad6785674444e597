// What a tool in JavaScript or TypeScript finds beside the language itself (ES2024): the globals of MCPbox, and
// those of the web that are here. For editors and for `tsc --noEmit`; MCPbox itself takes types out and checks none.

// --- What MCPbox adds ---

/** The secrets of the tool's server, to read. A missing one throws an error called `MissingSecret`. */
declare const secrets: { readonly [name: string]: string };

/** Lines for the people who run the tool; `%s`, `%d`, `%j` and `%o` stand for what follows. */
declare const log: Log;

interface Log {
  debug(...values: unknown[]): void;
  info(...values: unknown[]): void;
  warning(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
}

/** Tells the caller how far the call is; `done` grows from report to report. */
declare function progress(done: number, total?: number | null, message?: string | null): void;

/** The client of the call, and content; `main` gets it as its second parameter too. */
declare const ctx: Context;

interface Context {
  /** What a question fails with when there is no answer. */
  readonly ClientError: { new (reason: ClientError["reason"], message: string): ClientError; readonly prototype: ClientError };
  progress(done: number, total?: number | null, message?: string | null): void;
  debug(...values: unknown[]): void;
  info(...values: unknown[]): void;
  warning(...values: unknown[]): void;
  error(...values: unknown[]): void;
  /** Whether the client can do all of this. */
  can(...abilities: [Ability, ...Ability[]]): boolean;
  /** Goes on only if it can; otherwise the call ends, and the client is told what it lacks. */
  require(...abilities: [Ability, ...Ability[]]): void;
  /** What follows takes long: the call is a task from here on, if the client follows tasks. */
  becomeTask(): void;
  /** Asks the person to fill in a form. */
  elicit(message: string, form: WholeForm, options?: Asked): Promise<Elicited<{ [name: string]: FormValue | null }>>;
  elicit<const Fields extends { readonly [name: string]: Field }>(message: string, fields: Fields, options?: Asked): Promise<Elicited<FilledIn<Fields>>>;
  /** Asks the person to visit an address (`https:`); `id` names the matter. */
  visit(message: string, url: string | URL, id: string, options?: Asked): Promise<Elicited<null>>;
  /** Lets the model of the client answer. */
  sample(messages: Said | readonly Said[], options?: Asked & Sampling): Promise<Sampled>;
  /** The folders that the client works on. */
  roots(options?: Asked): Promise<{ uri: string; name: string | null }[]>;
  text(text: string, hints?: Hints): Content;
  /** The MIME type may be left out for PNG, JPEG, GIF and WebP. Text is base64. */
  image(data: Bytes | string, mimeType?: string | null, hints?: Hints): Content;
  /** The MIME type may be left out for WAV, MP3, Ogg and FLAC. Text is base64. */
  audio(data: Bytes | string, mimeType?: string | null, hints?: Hints): Content;
  /** A resource to fetch. */
  link(uri: string, name: string, options?: LinkOptions): Content;
  /** A resource itself. */
  resource(uri: string, body: string | Bytes, mimeType?: string | null, hints?: Hints): Content;
  /** Content alone. */
  result(content: unknown): Content;
  /** Content beside a structured value: return it where the type of `main` promises the value. */
  result<Value>(content: unknown, structured: Value): Value;
}

type Ability = "elicitation" | "elicitationUrl" | "sampling" | "samplingTools" | "roots" | "tasks";

interface ClientError extends Error {
  /** The client answered with an error, cannot do this, did not answer in time; or the question or its answer does not fit. */
  readonly reason: "refused" | "unsupported" | "unanswered" | "invalid";
}

interface Asked {
  /** Up to 64 of `A-Z a-z 0-9 _ -`. The same key has the same answer, also when the tool runs again. */
  key?: string;
}

type FormValue = string | number | boolean | string[];

/** A field of a form: a type, texts to choose one from, such an array in an array for several, or a property. */
type Field =
  | StringConstructor
  | NumberConstructor
  | BooleanConstructor
  | "string"
  | "number"
  | "integer"
  | "boolean"
  | readonly string[]
  | readonly [readonly string[]]
  | Property;

interface Property {
  readonly type?: StringConstructor | NumberConstructor | BooleanConstructor | "string" | "number" | "integer" | "boolean" | "array";
  readonly title?: string;
  readonly description?: string;
  readonly default?: FormValue | readonly string[];
  /** It may be left empty, and is null then. */
  readonly optional?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly format?: "email" | "uri" | "date" | "date-time";
  readonly enum?: readonly string[];
  readonly enumNames?: readonly string[];
  readonly oneOf?: readonly { readonly const: string; readonly title: string }[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: { readonly type?: "string"; readonly enum: readonly string[] } | { readonly anyOf: readonly { readonly const: string; readonly title: string }[] };
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** A form as MCP's schema has it. */
interface WholeForm {
  readonly type: "object";
  readonly properties: { readonly [name: string]: Property };
  readonly required?: readonly string[];
  readonly title?: string;
  readonly description?: string;
}

type OfType<Type> = Type extends StringConstructor | "string"
  ? string
  : Type extends NumberConstructor | "number" | "integer"
    ? number
    : Type extends BooleanConstructor | "boolean"
      ? boolean
      : Type extends "array"
        ? string[]
        : string;

type OfField<One> = One extends readonly (readonly string[])[]
  ? string[]
  : One extends readonly string[]
    ? One[number]
    : One extends Property
      ? OfType<One["type"]> | (One extends { readonly optional: true } ? (One extends { readonly default: unknown } ? never : null) : never)
      : OfType<One>;

type FilledIn<Fields> = { -readonly [Name in keyof Fields]: OfField<Fields[Name]> };

/** What the person did; there is content only when it was accepted. */
type Elicited<Filled> =
  | { action: "accept"; accepted: true; content: Filled }
  | { action: "decline" | "cancel"; accepted: false; content: null };

/** What is said to the model: a text, a text or picture or sound of `ctx`, or a message with its role. */
type Said = string | Content | { role: "user" | "assistant"; content: string | Content | object | readonly (string | Content | object)[] };

/** Beside these, the options of MCP's `CreateMessageRequestParams`. */
interface Sampling {
  system?: string | null;
  /** 1000 when it is left out. */
  maxTokens?: number;
  [option: string]: unknown;
}

interface Sampled {
  text: string;
  /** MCP's content block, or an array of them. */
  content: unknown;
  model: string;
  stopReason: string | null;
}

/** A piece of content, made by `ctx`; `main` returns one, or an array with at least one. */
interface Content {
  readonly type: "text" | "image" | "audio" | "resource_link" | "resource";
}

interface Hints {
  audience?: "user" | "assistant" | readonly ("user" | "assistant")[] | null;
  /** From 0 to 1. */
  priority?: number | null;
  lastModified?: Date | string | null;
}

interface LinkOptions extends Hints {
  title?: string | null;
  description?: string | null;
  mimeType?: string | null;
  /** In bytes. */
  size?: number | null;
}

type Bytes = ArrayBuffer | ArrayBufferView;

/** Such as too much memory. */
interface InternalError extends Error {}
declare const InternalError: { new (message?: string): InternalError; (message?: string): InternalError; readonly prototype: InternalError };

// --- What is here of the web ---

declare const console: Console;

/** Captured and kept with the call. */
interface Console {
  log(...values: unknown[]): void;
  info(...values: unknown[]): void;
  debug(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
  dir(value: unknown): void;
  trace(...values: unknown[]): void;
  assert(condition: unknown, ...values: unknown[]): void;
  group(...values: unknown[]): void;
  groupCollapsed(...values: unknown[]): void;
  groupEnd(): void;
  count(label?: string): void;
  countReset(label?: string): void;
  time(label?: string): void;
  timeLog(label?: string, ...values: unknown[]): void;
  timeEnd(label?: string): void;
  table(rows: unknown): void;
}

/** Reaches the hosts that were approved. A request that fails is a `TypeError` with a `code`. */
declare function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;

/** What a failed `fetch` throws. */
interface FetchError extends TypeError {
  readonly code: "denied" | "invalid" | "unreachable" | "timed-out" | "too-large" | "redirected";
}

interface RequestInit {
  method?: string;
  headers?: HeadersInit;
  body?: BodyInit | null;
  redirect?: "follow" | "manual" | "error";
  signal?: AbortSignal | null;
}

interface ResponseInit {
  status?: number;
  statusText?: string;
  headers?: HeadersInit;
}

type BodyInit = string | URLSearchParams | Bytes;
type HeadersInit = Headers | { readonly [name: string]: string } | Iterable<readonly [string, string]>;

declare class Headers {
  constructor(init?: HeadersInit);
  append(name: string, value: string): void;
  set(name: string, value: string): void;
  get(name: string): string | null;
  getSetCookie(): string[];
  has(name: string): boolean;
  delete(name: string): void;
  forEach(callback: (value: string, name: string, headers: Headers) => void, self?: unknown): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, string]>;
}

declare class Request {
  constructor(input: string | URL | Request, init?: RequestInit);
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly redirect: "follow" | "manual" | "error";
  readonly signal: AbortSignal | null;
  readonly bodyUsed: boolean;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array>;
  text(): Promise<string>;
  json(): Promise<any>;
  clone(): Request;
}

declare class Response {
  constructor(body?: BodyInit | null, init?: ResponseInit);
  static json(value: unknown, init?: ResponseInit): Response;
  static error(): Response;
  readonly status: number;
  readonly statusText: string;
  readonly ok: boolean;
  readonly headers: Headers;
  readonly url: string;
  readonly redirected: boolean;
  readonly type: string;
  readonly bodyUsed: boolean;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array>;
  text(): Promise<string>;
  json(): Promise<any>;
  clone(): Response;
}

declare class URL {
  constructor(url: string | URL, base?: string | URL);
  static canParse(url: string | URL, base?: string | URL): boolean;
  static parse(url: string | URL, base?: string | URL): URL | null;
  href: string;
  readonly origin: string;
  protocol: string;
  username: string;
  password: string;
  host: string;
  hostname: string;
  port: string;
  pathname: string;
  search: string;
  hash: string;
  readonly searchParams: URLSearchParams;
  toString(): string;
  toJSON(): string;
}

declare class URLSearchParams {
  constructor(init?: string | URLSearchParams | { readonly [name: string]: string } | Iterable<readonly [string, string]>);
  readonly size: number;
  append(name: string, value: string): void;
  delete(name: string, value?: string): void;
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string, value?: string): boolean;
  set(name: string, value: string): void;
  sort(): void;
  forEach(callback: (value: string, name: string, params: URLSearchParams) => void, self?: unknown): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  toString(): string;
  [Symbol.iterator](): IterableIterator<[string, string]>;
}

declare function setTimeout<Values extends unknown[]>(callback: (...values: Values) => void, delay?: number, ...values: Values): number;
declare function setInterval<Values extends unknown[]>(callback: (...values: Values) => void, delay?: number, ...values: Values): number;
declare function clearTimeout(id: number | undefined): void;
declare function clearInterval(id: number | undefined): void;
declare function queueMicrotask(callback: () => void): void;
declare function structuredClone<Value>(value: Value): Value;
declare function atob(data: string): string;
declare function btoa(data: string): string;

declare const performance: Performance;

interface Performance {
  /** Milliseconds since the call first looked at the clock. */
  now(): number;
  readonly timeOrigin: number;
}

declare class TextEncoder {
  readonly encoding: string;
  encode(text?: string): Uint8Array;
  encodeInto(text: string, target: Uint8Array): { read: number; written: number };
}

/** UTF-8 and ISO-8859-1. */
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  decode(input?: Bytes, options?: { stream?: boolean }): string;
}

declare const crypto: Crypto;

interface Crypto {
  readonly subtle: SubtleCrypto;
  getRandomValues<Values extends ArrayBufferView>(array: Values): Values;
  randomUUID(): string;
}

type DigestName = "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512";

/** Digests, and signatures by HMAC. */
interface SubtleCrypto {
  digest(algorithm: DigestName | { name: DigestName }, data: Bytes): Promise<ArrayBuffer>;
  importKey(format: "raw", key: Bytes, algorithm: { name: "HMAC"; hash: DigestName | { name: DigestName } }, extractable: boolean, usages: readonly ("sign" | "verify")[]): Promise<CryptoKey>;
  sign(algorithm: "HMAC" | { name: "HMAC" }, key: CryptoKey, data: Bytes): Promise<ArrayBuffer>;
  verify(algorithm: "HMAC" | { name: "HMAC" }, key: CryptoKey, signature: Bytes, data: Bytes): Promise<boolean>;
}

/** Made by `crypto.subtle.importKey`. */
declare class CryptoKey {
  private constructor();
  readonly type: "secret";
  readonly extractable: boolean;
  readonly algorithm: { readonly name: "HMAC"; readonly hash: { readonly name: DigestName }; readonly length: number };
  readonly usages: readonly ("sign" | "verify")[];
}

declare class Event {
  constructor(type: string, options?: { cancelable?: boolean });
  readonly type: string;
  readonly cancelable: boolean;
  readonly defaultPrevented: boolean;
  readonly target: EventTarget | null;
  readonly currentTarget: EventTarget | null;
  preventDefault(): void;
  stopPropagation(): void;
  stopImmediatePropagation(): void;
}

declare class CustomEvent<Detail = any> extends Event {
  constructor(type: string, options?: { cancelable?: boolean; detail?: Detail });
  readonly detail: Detail;
}

type Listener = ((event: any) => void) | { handleEvent(event: any): void };

declare class EventTarget {
  addEventListener(type: string, listener: Listener | null, options?: boolean | { once?: boolean; signal?: AbortSignal }): void;
  removeEventListener(type: string, listener: Listener | null): void;
  dispatchEvent(event: Event): boolean;
}

declare class AbortSignal extends EventTarget {
  private constructor();
  static abort(reason?: unknown): AbortSignal;
  static timeout(milliseconds: number): AbortSignal;
  static any(signals: Iterable<AbortSignal>): AbortSignal;
  readonly aborted: boolean;
  readonly reason: any;
  onabort: ((event: Event) => void) | null;
  throwIfAborted(): void;
}

declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}

declare class DOMException extends Error {
  constructor(message?: string, name?: string);
  readonly code: number;
}
