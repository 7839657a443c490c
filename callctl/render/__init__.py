"""From the data folders to the files a PBX admin loads."""
