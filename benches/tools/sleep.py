import asyncio


async def main():
    log.info("asleep")
    await asyncio.sleep(3600)
