"""Ways to damage a file. Each takes its bytes and gives other ones: of the same size where the name does not say
otherwise, so that what finds them is not the size that the manifest tells."""
import struct

import pyarrow.parquet

MAGIC = b"PAR1"
TAIL_BYTES = 8              # the footer's length and the magic
NESTED = b"\x1c"            # a field of a struct, in a struct, in a struct ... (Thrift's compact protocol)


def footer_of(content):
    """Where the footer is."""
    size = struct.unpack("<I", content[-TAIL_BYTES:-4])[0]
    return slice(len(content) - TAIL_BYTES - size, len(content) - TAIL_BYTES)


def put(content, at, piece):
    return content[:at] + piece + content[at + len(piece):]


def flip(content, at, bit=4):
    return put(content, at, bytes([content[at] ^ 1 << bit]))


def varint(number):
    """An i64 in Thrift's compact protocol."""
    number <<= 1
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def largest(size_bytes):
    """The largest even varint of that many bytes, which is a positive number."""
    return b"\xfe" + b"\xff" * (size_bytes - 2) + b"\x7f" if size_bytes > 1 else b"\x7e"


def smallest(size_bytes):
    """Zero, in that many bytes."""
    return b"\x80" * (size_bytes - 1) + b"\x00"


def negative(size_bytes):
    return b"\xff" * (size_bytes - 1) + b"\x7f"


# ---- the file as a whole ---------------------------------------------------------------------------------------------

WHOLE = {
    "cut_in_half": lambda content: content[:len(content) // 2],
    "cut_by_a_byte": lambda content: content[:-1],
    "empty": lambda content: b"",
    "grown_by_a_byte": lambda content: content + b"\0",
    "zeros": lambda content: bytes(len(content)),
    "ones": lambda content: b"\xff" * len(content),
    "no_magic": lambda content: put(content, len(content) - 4, b"PARX"),
    "text": lambda content: (b"once upon a time " * len(content))[:len(content)],
    "footer_length_0": lambda content: put(content, len(content) - TAIL_BYTES, struct.pack("<I", 0)),
    "footer_length_1": lambda content: put(content, len(content) - TAIL_BYTES, struct.pack("<I", 1)),
    "footer_length_of_all": lambda content: put(content, len(content) - TAIL_BYTES, struct.pack("<I", len(content))),
    "footer_length_2g": lambda content: put(content, len(content) - TAIL_BYTES, struct.pack("<I", 1 << 31)),
    "footer_length_4g": lambda content: put(content, len(content) - TAIL_BYTES, struct.pack("<I", (1 << 32) - 1)),
    "deep_footer": lambda content: put(content, footer_of(content).start,
                                       NESTED * (len(content[footer_of(content)]))),
    "whole_file_a_deep_footer": lambda content: MAGIC + NESTED * (len(content) - 12) + struct.pack(
        "<I", len(content) - 12) + MAGIC,
    "footer_of_random_bytes": lambda content: put(content, footer_of(content).start, bytes(
        i * 197 % 251 for i in range(len(content[footer_of(content)])))),
}


# ---- numbers in the footer, and pages --------------------------------------------------------------------------------

def chunks(path):
    """The column chunks of a file, as pyarrow reads them."""
    with pyarrow.parquet.ParquetFile(path) as file:
        return [file.metadata.row_group(group).column(column) for group in range(file.metadata.num_row_groups)
                for column in range(file.metadata.num_columns)]


def numbers(path):
    """name -> what the footer says somewhere: offsets, sizes and counts."""
    found = {}
    for chunk in chunks(path):
        for name in ("data_page_offset", "dictionary_page_offset", "total_compressed_size", "total_uncompressed_size",
                     "num_values"):
            if value := getattr(chunk, name):
                found[f"{chunk.path_in_schema}.{name}"] = value
    return found


def hostile_footers(path, content):
    """name -> content, each with one number of the footer changed to one that makes no sense."""
    footer, made = footer_of(content), {}
    for name, value in numbers(path).items():
        old = varint(value)
        at = content.find(old, footer.start, footer.stop)
        if at < 0:
            continue
        for change in (largest, smallest, negative):
            made[f"{name}_{change.__name__}"] = put(content, at, change(len(old)))
        made[f"{name}_a_little_more"] = put(content, at, varint(value + 1)[:len(old)])
    return made


def hostile_pages(path, content):
    """name -> content, with the first bytes of each chunk's pages changed: headers, levels and dictionaries."""
    made = {}
    for chunk in chunks(path):
        starts = {"page": chunk.data_page_offset, "dictionary": chunk.dictionary_page_offset}
        for kind, start in starts.items():
            if not start:
                continue
            name = f"{chunk.path_in_schema}.{kind}"
            made[f"{name}_header_of_ones"] = put(content, start, b"\xff" * 12)
            made[f"{name}_header_deep"] = put(content, start, NESTED * min(2000, chunk.total_compressed_size))
            for offset in (1, 3, 5, 8, 20, 30, 60):      # sizes and counts of the header; behind it the page
                if offset < chunk.total_compressed_size:
                    made[f"{name}_byte_{offset}"] = flip(content, start + offset)
    return made
