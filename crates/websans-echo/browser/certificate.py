"""A certificate for the loopback address, made on the spot with OpenSSL; nobody but the browser under test accepts it."""

import base64
import hashlib
import os
import subprocess

from driver import program


class Certificate:
    def __init__(self, directory, address="127.0.0.1"):
        self.certificate = os.path.join(directory, "certificate.pem")
        self.key = os.path.join(directory, "key.pem")
        openssl(
            *"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 -subj /CN=websans-echo".split(),
            *("-addext", f"subjectAltName=IP:127.0.0.1,IP:{address}"),
            *("-keyout", self.key, "-out", self.certificate),
        )
        # What Chromium knows the one certificate by that it is to accept.
        public = openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")
        self.pin = base64.b64encode(hashlib.sha256(public).digest()).decode()


def openssl(*arguments):
    done = subprocess.run([program("openssl"), *arguments], stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode != 0:
        raise OSError(f"openssl {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
