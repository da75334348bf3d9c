// Reads a collection with hyparquet: `node live_rows.mjs STORE PART... -- DELETES...` prints the live rows of the parts as
// JSON lines, in the form of LiveRows.java. `node live_rows.mjs --pages FILE COLUMN VALUE` prints how many bytes of the file
// are read for COLUMN = VALUE without and with page indexes, and the rows that are found with bloom filters as well.
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'

// Times stay numbers, and JSON stays text.
const parsers = {
  timestampFromMilliseconds: (ms) => ms,
  jsonFromBytes: (bytes) => new TextDecoder().decode(bytes),
}

async function rowsOf(path) {
  const file = await asyncBufferFromFile(path)
  return parquetReadObjects({ file, compressors, parsers })
}

function hex(value, size) {
  const view = new DataView(new ArrayBuffer(size))
  if (size === 4) view.setFloat32(0, value)
  else view.setFloat64(0, value)
  return Array.from(new Uint8Array(view.buffer), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

// hyparquet gives 64-bit integers as BigInt, so that a number is a double.
function plain(name, value) {
  if (name === 'vector') return Array.from(value, (number) => hex(number, 4)).join('')
  if (typeof value === 'bigint') return String(value)
  return typeof value === 'number' ? hex(value, 8) : value
}

const isExpired = (row) => row.expires_at != null && Number(row.expires_at) <= Date.now()

async function live(store, parts, deletes) {
  const dead = new Set()
  for (const path of deletes)
    for (const row of await rowsOf(`${store}/${path}`)) dead.add(`${row.file_path}:${row.pos}`)
  for (const path of parts) {
    const columns = parquetSchema(await parquetMetadataAsync(await asyncBufferFromFile(`${store}/${path}`))).children
    for (const [pos, row] of (await rowsOf(`${store}/${path}`)).entries()) {
      if (dead.has(`${path}:${pos}`) || isExpired(row)) continue
      const found = columns.map(({ element: { name } }) => [name, plain(name, row[name] ?? null)])
      console.log(JSON.stringify(Object.fromEntries(found)))
    }
  }
}

async function pages(path, column, text) {
  const inner = await asyncBufferFromFile(path)
  let bytes = 0
  const file = { byteLength: inner.byteLength, slice: (start, end) => {
    bytes += (end ?? inner.byteLength) - start
    return inner.slice(start, end)
  } }
  const filter = { [column]: { $eq: column === 'version' ? BigInt(text) : text } }
  const metadata = await parquetMetadataAsync(inner)
  const found = []
  for (const usePageIndex of [false, true]) {
    bytes = 0
    await parquetReadObjects({ file, metadata, filter, compressors, parsers, usePageIndex })
    found.push(bytes)
  }
  const rows = await parquetReadObjects({ file, metadata, filter, compressors, parsers, useBloomFilters: true })
  console.log(...found, rows.length)
}

const words = process.argv.slice(2)
if (words[0] === '--pages') await pages(...words.slice(1))
else await live(words[0], words.slice(1, words.indexOf('--')), words.slice(words.indexOf('--') + 1))
