#!/usr/bin/env python3
"""Renders the document into one HTML file that needs nothing else: Redoc and the document are inlined.

usage: page.py FOLDER-WITH-NODE-MODULES PAGE.html   (`.ci/specification --page PAGE.html` runs it)
       page.py --check DOM.html                     what a browser has made of the page
"""

import html
import json
import re
import sys
from pathlib import Path

import yaml

root = Path(__file__).resolve().parent.parent.parent
document = yaml.load((root / "openapi/partner-center-devices.yaml").read_text(), yaml.CSafeLoader)
if sys.argv[1] == "--check":
    source = re.sub(r"<(script|style).*?</\1>|<!--.*?-->", "", Path(sys.argv[2]).read_text(), flags=re.DOTALL)
    shown = html.unescape(re.sub(r"<[^>]*>", "", source))
    operations = [item["get"] for item in document["paths"].values()]
    wanted = [operation["summary"] for operation in operations]
    for operation in operations:
        examples = operation["responses"]["200"]["content"]["application/json"]["examples"]
        names = [example["$ref"].split("/")[-1] for example in examples.values()]
        wanted += [document["components"]["examples"][name]["summary"] for name in names]
    wanted += ["ZtdDeviceAssignedToOtherTenant", "Test batch"]
    missing = [text for text in wanted if text not in shown]
    sys.exit(f"not on the page: {missing}" if missing else 0)
bundle = Path(sys.argv[1]) / "node_modules/redoc/bundles"
script = (bundle / "redoc.standalone.js").read_text()
licence = (bundle / "redoc.standalone.js.LICENSE.txt").read_text()
redoc = (Path(sys.argv[1]) / "node_modules/redoc/LICENSE").read_text()
# The only thing that it would load from elsewhere: the picture in its last line.
picture = "https://cdn.redoc.ly/redoc/logo-mini.svg"
if script.count(picture) != 1:
    sys.exit(f"redoc.standalone.js has {picture} {script.count(picture)} times, 1 is expected")
script = script.replace(picture, "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E")
inline = lambda text: text.replace("</script", "<\\/script")
options = {"expandResponses": "200", "jsonSampleExpandLevel": "all", "hideDownloadButton": True, "sortRequiredPropsFirst": True}
page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{document["info"]["title"]} {document["info"]["version"]}</title>
<style>body {{ margin: 0 }}</style>
<!-- Rendered by Redoc, under this licence:
{redoc.replace("--", "- -")}
and with parts under these:
{licence.replace("--", "- -")}-->
</head>
<body>
<div id="page"></div>
<script>{inline(script)}</script>
<script>Redoc.init({inline(json.dumps(document, default=str))}, {json.dumps(options)}, document.getElementById("page"));</script>
</body>
</html>
"""
Path(sys.argv[2]).write_text(page)
