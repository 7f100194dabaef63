from tests.store_fixtures import database, database_address, database_server

__all__ = ["database", "database_address", "database_server"]
