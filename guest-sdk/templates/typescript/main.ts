// The tool `{{name}}`.

interface Arguments {
  /** Whom to greet. */
  name: string;
}

/** Greets somebody by name. */
export function main({ name }: Arguments): string {
  return `Hello, ${name}!`;
}
