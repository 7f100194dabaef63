"""An import-linter contract that lists what a package *may* import, not what it may not.

A package added tomorrow is refused everywhere until somebody allows it, and the table in
``pyproject.toml`` reads like the one in the architecture notes.
"""

from grimp import ImportGraph
from importlinter.application import output
from importlinter.domain import fields
from importlinter.domain.contract import Contract, ContractCheck


class AllowedContract(Contract):
    """The modules of a package import only the packages listed, themselves and libraries.

    Only direct imports count: what an allowed package itself imports is held by its own
    contract.

    Configuration:
        source_modules: the packages held to the list.
        allowed_modules: packages of ours that they may import (optional: none).
    """

    type_name = "allowed"

    source_modules = fields.SetField(subfield=fields.StringField())
    allowed_modules = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Collect every import of ours that is neither listed nor within its own package."""
        del verbose
        ours = {name.partition(".")[0] for name in self._sources}
        forbidden: list[str] = []
        for source in sorted(self._sources):
            inside = {source, *graph.find_descendants(source)}
            for importer in sorted(inside):
                for imported in sorted(graph.find_modules_directly_imported_by(importer)):
                    if imported.partition(".")[0] not in ours or imported in ours:
                        continue  # a library, or the root package with the version in it
                    if not self._allowed(imported, source):
                        forbidden.append(_place(graph, importer, imported))
        return ContractCheck(kept=not forbidden, metadata={"forbidden": forbidden})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line an import that is not allowed."""
        allowed = ", ".join(sorted(self._names("allowed_modules"))) or "nothing of ours"
        output.print_error(f"Allowed: {allowed}. Found:")
        for line in check.metadata["forbidden"]:
            output.print_error(f"- {line}")

    @property
    def _sources(self) -> set[str]:
        return self._names("source_modules")

    def _names(self, option: str) -> set[str]:
        # Options are declared as fields and read as what the fields parsed.
        return set(getattr(self, option) or ())

    def _allowed(self, imported: str, source: str) -> bool:
        return any(
            imported == name or imported.startswith(f"{name}.")
            for name in {*self._names("allowed_modules"), source}
        )


def _place(graph: ImportGraph, importer: str, imported: str) -> str:
    """An import with the lines it stands on."""
    details = graph.get_import_details(importer=importer, imported=imported)
    lines = ", ".join(f"l.{detail['line_number']}" for detail in details)
    return f"{importer} -> {imported} ({lines})"
