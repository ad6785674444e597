export async function main() {
  log.info("asleep");
  await new Promise((resolve) => setTimeout(resolve, 600_000));
}
