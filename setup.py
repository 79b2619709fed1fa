"""What pyproject.toml has no key for: a wheel carries the files of the root inside a package (synkro/core/resources.py)."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
FILES = ("dagster.yaml", "supabase/migrations", "transforms")
#: what dbt writes beside its project
MADE = shutil.ignore_patterns("target", "logs", "dbt_packages", ".user.yml", "__pycache__")


class BuildWithFiles(build_py):
    """An editable install reads them from the root."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for name in FILES:
            target = Path(self.build_lib) / "synkro" / "data" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target, ignore=MADE, dirs_exist_ok=True)
            else:
                shutil.copyfile(ROOT / name, target)


setup(cmdclass={"build_py": BuildWithFiles})
