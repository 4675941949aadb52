"""``python -m miqd_builder.zoo.refresh FOLDER``: write the zoo files that ship."""

from __future__ import annotations

import sys
from pathlib import Path

from miqd_builder.zoo.refresh.document import zoo_documents

if __name__ == "__main__":
    for name, content in zoo_documents().items():
        Path(sys.argv[1], name).write_text(content, encoding="utf-8")
        print(f"{Path(sys.argv[1], name)}: {content.count('- name: ')} models")
