"""A Hub for data sets, and for reading models, with huggingface_hub's HTTP calls. Loopback only, for tests.

    python tests/servers/hub_server.py --token TOKEN --user me --org team --port 0     prints its port, and serves

It keeps repositories in memory: creation, visibility, branches, large files (LFS batch, upload, verification), commits
with a parent, trees, and files in whole or by range. Uploads by Xet are not spoken: set HF_HUB_DISABLE_XET=1.

POST /control/faults: a list of {"method", "path": REGEX, "times", "status", "headers", "body", "cut": BYTES,
"slow": S, "after": N}: calls that match are answered so, the first N left alone. "cut" closes the connection after
so many bytes of the body; "late": true does so when the call has been carried out. "race": {PATH: TEXT} commits these
files to the branch, then the call is answered as usual. POST /control/repos: a list of {"id", "type", "private",
"files" or "folder"}. GET /control/log lists the calls. POST /control/reset.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

LARGE = (".parquet", ".arrow", ".bin", ".safetensors")
SIGNATURE = "X-Amz-Signature=do-not-show-this"


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass(frozen=True)
class File:
    content: bytes
    is_large: bool

    def described(self, path: str) -> dict[str, Any]:
        oid = git_hash(self.content)
        entry: dict[str, Any] = {"type": "file", "oid": oid, "size": len(self.content), "path": path}
        if self.is_large:
            sha256 = hashlib.sha256(self.content).hexdigest()
            entry["lfs"] = {"oid": sha256, "size": len(self.content), "pointerSize": 130}
        return entry


@dataclass
class Repo:
    type: str
    private: bool = False
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, File]] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, File]) -> str:
        parent = self.branches.get(branch)
        listed = sorted((path, git_hash(file.content)) for path, file in files.items())
        oid = hashlib.sha1(repr((parent, len(self.commits), listed)).encode()).hexdigest()
        self.commits[oid], self.parents[oid], self.branches[branch] = files, parent, oid
        return oid

    def find(self, revision: str) -> str | None:
        oid = self.branches.get(revision, revision)
        return oid if oid in self.commits else None


def refused(status: int, error: str, code: str | None = None, headers: dict[str, str] | None = None) -> web.Response:
    headers = {**(headers or {}), "X-Error-Message": error}
    if code:
        headers["X-Error-Code"] = code
    return web.json_response({"error": error}, status=status, headers=headers)


def missing_repo() -> web.Response:
    return refused(404, "Repository not found", "RepoNotFound")


class Hub:
    """Repositories, and what the tests ask of it."""

    def __init__(self, *, token: str, user: str, orgs: list[str]) -> None:
        self.token, self.user, self.orgs = token, user, orgs
        self.reset()

    def reset(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.stored: dict[str, bytes] = {}
        self.faults: list[dict[str, Any]] = []
        self.log: list[dict[str, Any]] = []

    def application(self) -> web.Application:
        app = web.Application(client_max_size=1 << 30, middlewares=[self.watch])
        repo = "{repo:[^/]+/[^/]+}"
        app.router.add_get("/api/whoami-v2", self.whoami)
        app.router.add_post("/api/repos/create", self.create)
        app.router.add_post("/api/validate-yaml", self.validate_yaml)
        for kind in ("datasets", "models"):
            app.router.add_get(f"/api/{kind}/{repo}", self.info)
            app.router.add_get(f"/api/{kind}/{repo}/refs", self.refs)
            app.router.add_get(f"/api/{kind}/{repo}/revision/{{revision}}", self.info)
            app.router.add_get(f"/api/{kind}/{repo}/tree/{{revision}}", self.tree)
            app.router.add_get(f"/api/{kind}/{repo}/tree/{{revision}}/{{path:.+}}", self.tree)
        app.router.add_post(f"/api/datasets/{repo}/paths-info/{{revision}}", self.paths_info)
        app.router.add_post(f"/api/datasets/{repo}/branch/{{branch}}", self.branch)
        app.router.add_post(f"/api/datasets/{repo}/preupload/{{revision}}", self.preupload)
        app.router.add_post(f"/api/datasets/{repo}/commit/{{revision}}", self.commit)
        app.router.add_post("/datasets/{repo:[^/]+/[^/]+}.git/info/lfs/objects/batch", self.batch)
        app.router.add_get(f"/datasets/{repo}/resolve/{{revision}}/{{path:.+}}", self.resolve)
        app.router.add_get(f"/{repo}/resolve/{{revision}}/{{path:.+}}", self.resolve)
        app.router.add_put("/lfs/{oid}", self.put)
        app.router.add_post("/lfs/{oid}/verify", self.verify)
        app.router.add_post("/control/faults", self.set_faults)
        app.router.add_post("/control/repos", self.set_repos)
        app.router.add_post("/control/reset", self.do_reset)
        app.router.add_get("/control/log", self.show_log)
        return app

    @web.middleware
    async def watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Log the call, and answer as a fault says."""
        if request.path.startswith("/control/"):
            response: web.StreamResponse = await handler(request)
            return response
        entry: dict[str, Any] = {"method": request.method, "path": request.path, "bytes": 0, "status": None}
        self.log.append(entry)
        entry["authorized"] = self.knows(request)
        entry["agent"] = request.headers.get("User-Agent", "")
        for fault in self.faults:
            if fault.get("method", request.method) != request.method or not re.search(fault["path"], request.path):
                continue
            if fault.get("after", 0) > 0:
                fault["after"] -= 1
                continue
            if fault.get("times", 1) <= 0:
                continue
            fault["times"] = fault.get("times", 1) - 1
            if "slow" in fault:
                await asyncio.sleep(fault["slow"])
            if "race" in fault:
                repo = self.repos[request.match_info["repo"]]
                added = {path: File(text.encode(), False) for path, text in fault["race"].items()}
                branch = request.match_info["revision"]
                repo.commit(branch, {**repo.commits[repo.branches[branch]], **added})
            if fault.get("late"):
                await handler(request)
                entry["status"] = "cut late"
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            if "cut" in fault:
                async for chunk in request.content.iter_chunked(1 << 14):
                    entry["bytes"] += len(chunk)
                    if entry["bytes"] >= fault["cut"]:
                        break
                entry["status"] = "cut"
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            if "status" in fault:
                await request.read()
                entry["status"] = fault["status"]
                return refused(
                    fault["status"], fault.get("body", "asked for by the test"), headers=fault.get("headers")
                )
        response = await handler(request)
        entry["bytes"] = len(await request.read()) if request.method in ("POST", "PUT") else 0
        entry["status"] = response.status
        return response

    def knows(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.token}"

    def visible(self, request: web.Request) -> Repo | None:
        repo = self.repos.get(request.match_info["repo"])
        type = "dataset" if request.path.startswith(("/datasets/", "/api/datasets/")) else "model"
        if repo is None or repo.type != type or (repo.private and not self.knows(request)):
            return None
        return repo

    async def whoami(self, request: web.Request) -> web.Response:
        if not self.knows(request):
            return refused(401, "Invalid credentials in Authorization header")
        return web.json_response(
            {"type": "user", "name": self.user, "orgs": [{"name": name, "roleInOrg": "write"} for name in self.orgs]}
        )

    def may_write(self, request: web.Request, owner: str) -> web.Response | None:
        if not self.knows(request):
            return refused(401, "Invalid credentials in Authorization header")
        if owner not in (self.user, *self.orgs):
            return refused(403, f'You don\'t have the rights to create a dataset under the namespace "{owner}"')
        return None

    async def create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        owner = asked.get("organization") or self.user
        if (no := self.may_write(request, owner)) is not None:
            return no
        name = f"{owner}/{asked['name']}"
        if name in self.repos:
            kind = self.repos[name].type
            url = f"{request.url.origin()}/{'datasets/' if kind == 'dataset' else ''}{name}"
            error = f"You already created this {kind} repo"
            return web.json_response({"error": error, "url": url}, status=409, headers={"X-Error-Message": error})
        private = asked.get("visibility") == "private" or asked.get("private") is True
        self.repos[name] = Repo(asked.get("type", "model"), private)
        self.repos[name].commit(
            "main", {".gitattributes": File(b"*.parquet filter=lfs diff=lfs merge=lfs -text\n", False)}
        )
        return web.json_response({"url": f"{request.url.origin()}/datasets/{name}", "name": name})

    async def validate_yaml(self, request: web.Request) -> web.Response:
        import yaml  # type: ignore[import-untyped]  # it has no types

        content = (await request.json())["content"]
        match = re.match(r"---\n(.*?)\n---\n", content, re.DOTALL)
        try:
            read = yaml.safe_load(match[1]) if match else None
        except yaml.YAMLError as error:
            return web.json_response({"errors": [{"message": str(error)}], "warnings": []}, status=400)
        if not isinstance(read, dict) or not read.get("license"):
            return web.json_response({"errors": [{"message": "no license"}], "warnings": []}, status=400)
        return web.json_response({"errors": [], "warnings": []})

    async def info(self, request: web.Request) -> web.Response:
        repo = self.visible(request)
        if repo is None:
            return missing_repo()
        revision = request.match_info.get("revision", "main")
        oid = repo.find(revision)
        if oid is None:
            return refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        name = request.match_info["repo"]
        siblings = [{"rfilename": path} for path in sorted(repo.commits[oid])]
        return web.json_response(
            {
                "_id": "0" * 24,
                "id": name,
                "author": name.partition("/")[0],
                "sha": oid,
                "private": repo.private,
                "disabled": False,
                "gated": False,
                "downloads": 0,
                "likes": 0,
                "tags": [],
                "siblings": siblings,
            }
        )

    async def refs(self, request: web.Request) -> web.Response:
        repo = self.visible(request)
        if repo is None:
            return missing_repo()
        branches = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": oid} for n, oid in repo.branches.items()]
        return web.json_response({"branches": branches, "converts": [], "tags": []})

    async def branch(self, request: web.Request) -> web.Response:
        repo = self.visible(request)
        if repo is None:
            return missing_repo()
        if (no := self.may_write(request, request.match_info["repo"].partition("/")[0])) is not None:
            return no
        name = request.match_info["branch"]
        if name in repo.branches:
            return refused(409, "Reference already exists")
        repo.branches[name] = repo.branches["main"]
        return web.json_response({})

    def entries(self, files: dict[str, File], folder: str, *, recursive: bool) -> list[dict[str, Any]]:
        prefix = f"{folder}/" if folder else ""
        found: dict[str, dict[str, Any]] = {}
        for path, file in sorted(files.items()):
            if not path.startswith(prefix):
                continue
            parts = path[len(prefix) :].split("/")
            for depth in range(1, len(parts)):
                name = prefix + "/".join(parts[:depth])
                if recursive or depth == 1:
                    found[name] = {"type": "directory", "oid": git_hash(name.encode()), "size": 0, "path": name}
            if recursive or len(parts) == 1:
                found[path] = file.described(path)
        return list(found.values())

    async def tree(self, request: web.Request) -> web.Response:
        repo = self.visible(request)
        if repo is None:
            return missing_repo()
        oid = repo.find(request.match_info["revision"])
        if oid is None:
            return refused(404, "Invalid rev id", "RevisionNotFound")
        recursive = request.query.get("recursive", "").lower() == "true"
        folder = request.match_info.get("path", "")
        entries = self.entries(repo.commits[oid], folder, recursive=recursive)
        if folder and not entries:
            return refused(404, "Entry not found", "EntryNotFound")
        return web.json_response(entries)

    async def paths_info(self, request: web.Request) -> web.Response:
        repo = self.visible(request)
        if repo is None:
            return missing_repo()
        oid = repo.find(request.match_info["revision"])
        if oid is None:
            return refused(404, "Invalid rev id", "RevisionNotFound")
        form = await request.post()
        every = {of["path"]: of for of in self.entries(repo.commits[oid], "", recursive=True)}
        return web.json_response([every[path] for path in map(str, form.getall("paths", [])) if path in every])

    async def preupload(self, request: web.Request) -> web.Response:
        repo = self.visible(request)
        if repo is None:
            return missing_repo()
        if (no := self.may_write(request, request.match_info["repo"].partition("/")[0])) is not None:
            return no
        oid = repo.find(request.match_info["revision"])
        if oid is None:
            return refused(404, "Invalid rev id", "RevisionNotFound")
        answer = []
        for asked in (await request.json())["files"]:
            there = repo.commits[oid].get(asked["path"])
            mode = "lfs" if asked["path"].endswith(LARGE) else "regular"
            known = None
            if there is not None:
                known = hashlib.sha256(there.content).hexdigest() if there.is_large else git_hash(there.content)
            answer.append({"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, "oid": known})
        return web.json_response({"files": answer, "commitOid": oid})

    async def batch(self, request: web.Request) -> web.Response:
        if self.visible(request) is None:
            return missing_repo()
        if (no := self.may_write(request, request.match_info["repo"].partition("/")[0])) is not None:
            return no
        objects = []
        for asked in (await request.json())["objects"]:
            oid = asked["oid"]
            answer = {"oid": oid, "size": asked["size"], "authenticated": True}
            if oid not in self.stored:
                answer["actions"] = {
                    "upload": {"href": f"{request.url.origin()}/lfs/{oid}?{SIGNATURE}", "header": {}},
                    "verify": {"href": f"{request.url.origin()}/lfs/{oid}/verify", "header": {}},
                }
            objects.append(answer)
        return web.json_response({"transfer": "basic", "objects": objects})

    async def put(self, request: web.Request) -> web.Response:
        content = await request.read()
        if hashlib.sha256(content).hexdigest() != request.match_info["oid"]:
            return refused(400, "the content has another hash")
        self.stored[request.match_info["oid"]] = content
        return web.Response()

    async def verify(self, request: web.Request) -> web.Response:
        return web.Response(status=200 if request.match_info["oid"] in self.stored else 404)

    async def commit(self, request: web.Request) -> web.Response:
        repo = self.visible(request)
        if repo is None:
            return missing_repo()
        if (no := self.may_write(request, request.match_info["repo"].partition("/")[0])) is not None:
            return no
        branch = request.match_info["revision"]
        if branch not in repo.branches:
            return refused(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        files = dict(repo.commits[repo.branches[branch]])
        for line in (await request.read()).splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header" and value.get("parentCommit") not in (None, repo.branches[branch]):
                return refused(412, "A commit has happened since. Please refresh and try again.")
            if item["key"] == "file":
                files[value["path"]] = File(base64.b64decode(value["content"]), False)
            elif item["key"] == "lfsFile":
                if value["oid"] not in self.stored:
                    return refused(400, f"LFS object {value['oid']} was not uploaded")
                files[value["path"]] = File(self.stored[value["oid"]], True)
            elif item["key"] == "deletedFile":
                del files[value["path"]]
        oid = repo.commit(branch, files)
        url = f"{request.url.origin()}/datasets/{request.match_info['repo']}/commit/{oid}"
        return web.json_response({"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""})

    async def resolve(self, request: web.Request) -> web.Response:
        repo = self.visible(request)
        if repo is None:
            return missing_repo()
        oid = repo.find(request.match_info["revision"])
        if oid is None:
            return refused(404, "Invalid rev id", "RevisionNotFound")
        file = repo.commits[oid].get(request.match_info["path"])
        if file is None:
            return refused(404, "Entry not found", "EntryNotFound", {"X-Repo-Commit": oid})
        etag = hashlib.sha256(file.content).hexdigest() if file.is_large else git_hash(file.content)
        headers = {"X-Repo-Commit": oid, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if file.is_large:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(file.content))}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        if asked is None:
            return web.Response(body=file.content, headers=headers)
        first, last = int(asked[1]), min(int(asked[2] or len(file.content)), len(file.content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(file.content)}"
        return web.Response(status=206, body=file.content[first : last + 1], headers=headers)

    async def set_faults(self, request: web.Request) -> web.Response:
        self.faults = await request.json()
        return web.Response()

    async def set_repos(self, request: web.Request) -> web.Response:
        for of in await request.json():
            repo = self.repos[of["id"]] = Repo(of.get("type", "dataset"), of.get("private", False))
            files = {path: text.encode() for path, text in of.get("files", {}).items()}
            files |= {path.name: path.read_bytes() for path in Path(of["folder"]).iterdir()} if "folder" in of else {}
            repo.commit("main", {path: File(read, path.endswith(LARGE)) for path, read in files.items()})
        return web.Response()

    async def do_reset(self, _: web.Request) -> web.Response:
        self.reset()
        return web.Response()

    async def show_log(self, _: web.Request) -> web.Response:
        return web.json_response(self.log)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--token", required=True)
    parser.add_argument("--user", default="me")
    parser.add_argument("--org", action="append", default=[], dest="orgs")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args()
    hub = Hub(token=options.token, user=options.user, orgs=options.orgs)

    async def serve() -> None:
        runner = web.AppRunner(hub.application(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", options.port).start()
        sys.stdout.write(f"{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
