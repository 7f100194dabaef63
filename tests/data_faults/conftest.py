from tests.store_fixtures import database_address, database_server

__all__ = ["database_address", "database_server"]
