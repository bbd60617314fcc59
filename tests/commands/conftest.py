import pytest
import whole_run


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    """The folder of a finished run, and its candidate's network."""
    folder = tmp_path_factory.mktemp("workspace")
    return folder, whole_run.write(folder)
