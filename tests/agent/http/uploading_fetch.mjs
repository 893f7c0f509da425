// Sends a large body by `fetch`; prints for each time the status that was answered, or the error's code.
// Arguments: the URL, the size in bytes, how many times, "announced" or "chunked".

const [url, size, times, way] = process.argv.slice(2)

function stream(total) {
  let left = total
  return new ReadableStream({
    pull(controller) {
      const piece = new Uint8Array(Math.min(65536, left)).fill(32)
      left -= piece.length
      controller.enqueue(piece)
      if (left === 0) controller.close()
    },
  })
}

for (let time = 0; time < Number(times); time += 1) {
  const body = way === 'chunked' ? stream(Number(size)) : new Uint8Array(Number(size)).fill(32)
  try {
    const response = await fetch(url, { method: 'POST', body, duplex: 'half' })
    await response.text()
    console.log(response.status)
  } catch (error) {
    console.log(error.cause?.code ?? error.cause?.name ?? error.name)
  }
}
