"""PyArrow, with the Azure SDK for C++ inside: IDENTITY_ENDPOINT and IDENTITY_HEADER lead it to cambist."""

from pyarrow import fs


def filesystem(account, **identity):
    # For one of several identities: client_id="...".
    return fs.AzureFileSystem(account, **identity)


if __name__ == "__main__":
    print([file.path for file in filesystem("shop").get_file_info(fs.FileSelector("orders"))])
