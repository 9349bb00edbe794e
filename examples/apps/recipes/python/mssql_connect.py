"""mssql-python, Microsoft's driver for SQL Server and Azure SQL: IDENTITY_ENDPOINT and IDENTITY_HEADER lead it to
cambist.
"""

import mssql_python


def connect(server, database, more=""):
    # For one of several identities: "UID=the client id;".
    return mssql_python.connect(
        f"Server={server};Database={database};Encrypt=strict;Authentication=ActiveDirectoryMSI;{more}"
    )


if __name__ == "__main__":
    connect("shop.database.windows.net", "shop").close()
