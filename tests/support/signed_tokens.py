"""An identity provider: keys, their JWK Set, and the tokens that it signs."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

AUDIENCE = "sluice"
ALGORITHMS = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


class SigningKey:
    """A key pair with an id."""

    def __init__(self, kid: str | None, algorithm: str = "ES256") -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.private: Any = ALGORITHMS[algorithm]()

    def jwk(self, **members: Any) -> dict[str, Any]:
        """The public key."""
        made = get_default_algorithms()[self.algorithm].to_jwk(self.private.public_key(), as_dict=True)
        return {**made, **({} if self.kid is None else {"kid": self.kid}), **members}

    def token(self, *left_out: str, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token for ana, for five minutes, changed by these claims; `left_out`: claims that it lacks."""
        all_claims = {"sub": "ana", "aud": AUDIENCE, "exp": time.time() + 300, **claims}
        kept = {name: value for name, value in all_claims.items() if name not in left_out}
        said = {} if self.kid is None else {"kid": self.kid}
        return jwt.encode(kept, self.private, self.algorithm, {**said, **(headers or {})})


def key_set(*keys: SigningKey | dict[str, Any]) -> str:
    """A JWK Set as JSON."""
    return json.dumps({"keys": [key.jwk() if isinstance(key, SigningKey) else key for key in keys]})
