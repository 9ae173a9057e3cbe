"""A generated PDF: a few pages of plain text, so that the demo needs no binary file."""

PAGES = 9
LINES = 15  # to a page
SENTENCE = "A step is one uninterrupted run of one callback, and no other step runs meanwhile."


def pdf() -> bytes:
    """Return a PDF of PAGES pages."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", page_tree(), FONT]
    for number in range(PAGES):
        objects += [page(contents=5 + 2 * number), text_of(number)]
    return assemble(objects)


FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def page_tree() -> bytes:
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(PAGES))
    return f"<< /Type /Pages /Kids [{kids}] /Count {PAGES} >>".encode()


def page(contents: int) -> bytes:
    return (
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
        f"/Resources << /Font << /F1 3 0 R >> >> /Contents {contents} 0 R >>"
    ).encode()


def text_of(number: int) -> bytes:
    lines = [f"({number + 1}.{line + 1} {SENTENCE}) Tj T*" for line in range(LINES)]
    text = "\n".join(["BT /F1 11 Tf 14 TL 50 790 Td", *lines, "ET"])
    return f"<< /Length {len(text)} >>\nstream\n{text}\nendstream".encode()


def assemble(objects: list[bytes]) -> bytes:
    """Number the objects, and end with the table of their offsets."""
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    entries = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    table = b"xref\n0 %d\n0000000000 65535 f \n%b" % (size, entries)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(body))
    return body + table + trailer
